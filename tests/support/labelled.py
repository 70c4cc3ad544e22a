"""Real messages, each labelled with who did what it tells of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.support.shared import SHARED, read_lines

FILE = Path(__file__).parents[1] / "messages" / "agents.tsv"
PACKAGE = "fedmsg_meta_fedora_infrastructure"


@dataclass(frozen=True)
class Label:
    """Who did what a message tells of.

    :param source: where the message is: in the `package`, or among the recorded `messages` or `amqp`
    :param place: where it is there
    :param agent: None where nobody did it
    :param verdict: `did`, `mentioned` or `nobody`
    """

    source: str
    place: str
    topic: str
    agent: str | None
    verdict: str
    reason: str

    @property
    def body(self) -> dict[str, Any]:
        """The message, dated where it has no time of its own."""
        return {"timestamp": 1, **(_of_package(self.place) if self.source == "package" else self._recorded)}

    @property
    def _recorded(self) -> dict[str, Any]:
        return _recorded(self.source)[self.place]


def labels(*sources: str) -> list[Label]:
    """Return the labels of the messages from these sources."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")][1:]
    found = [
        Label(*message.split(" ", 1), topic, None if agent == "-" else agent, verdict, reason)  # type: ignore[call-arg]
        for message, topic, agent, verdict, reason in rows
    ]
    return [label for label in found if label.source in sources]


def _of_package(place: str) -> dict[str, Any]:
    """Return the message of a test of the package, such as ``pagure:TestNewIssue`` or, of several, ``…:TestAll:3``."""
    module, name, *number = place.split(":")
    test = getattr(import_module(f"{PACKAGE}.tests.{module}".removesuffix(".__init__")), name)
    return dict(test.originals[int(number[0])] if number else test.msg)


@cache
def _recorded(name: str) -> dict[str, dict[str, Any]]:
    """Return the messages of a recorded file by their ids, or by their numbers as in ``n=7``."""
    found: dict[str, dict[str, Any]] = {}
    for line in read_lines(SHARED / "data" / f"{name}.jsonl"):
        body = line["message"]
        body = body.get("body", body) if "msg" in body.get("body", {}) else body
        if "msg" not in body and "body" in body:
            body = {**body, "msg": body["body"], "msg_id": body.get("id")}
        found |= {str(body.get("msg_id")): body, f"n={line.get('n')}": body}
    return found
