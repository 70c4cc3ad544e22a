"""Live images and appliances that koji builds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statscache.plugins import LatestPlugin, Message

METHODS = ("appliance", "livecd")
TASKS = "https://kojipkgs.fedoraproject.org/work/tasks"
#: What ends the name of an image file, by the format that was asked for.
ENDINGS = {None: ".iso", "qcow2": "-sda.qcow2", "raw": "-sda.raw.xz"}


class Plugin(LatestPlugin):
    """Notes the state of the latest task for each image."""

    name = "artifacts"
    summary = "The latest live images and appliances"
    description = (
        "The state of the latest build of each live image and appliance, with links to what was built."
    )

    def process(self, message: Message) -> None:
        msg = message.get("msg")
        if not isinstance(msg, dict) or msg.get("owner") != "masher" or msg.get("method") not in METHODS:
            return
        request = Request(msg)
        label = request.label
        state = {
            "name": label,
            "link": request.image_link,
            "status": msg["new"],
            "extra_text": "(details)",
            "extra_link": _text(_at(message, "meta", "link")),
        }
        self.note(message, f"artifact-{msg['method']}_{msg['srpm'].split('-')[-1]}", label, state)


class Request:
    """What koji was asked to build, from the `info` of a task's message, which may be missing or odd."""

    def __init__(self, msg: Mapping[str, Any]) -> None:
        self.msg = msg
        request = _at(msg, "info", "request")
        self.words: list[Any] = request if isinstance(request, list) else []
        last = self.words[-1] if self.words else None
        self.options: Mapping[str, Any] = last if isinstance(last, Mapping) else {}

    @property
    def label(self) -> str:
        """The name of what is built, with its format and branch where they are known."""
        label: str = self.msg["srpm"]
        if self.options.get("format"):
            label += f" ({self.options['format']})"
        if len(self.words) > 1:
            label += " (rawhide)" if self.words[1] == "rawhide" else " (branched)"
        return label

    @property
    def image_link(self) -> str | None:
        """Where the image of a finished live image is; None unless exactly one task made it."""
        children, result = _at(self.msg, "info", "children"), _at(self.msg, "info", "result")
        where = result.split(" ")[-1].split("/") if isinstance(result, str) else []
        if self.msg["method"] != "livecd" or self.msg["new"] != "CLOSED":
            return None
        if not isinstance(children, list) or len(children) != 1 or len(where) <= 5 or len(self.words) <= 1:
            return None
        if not self.options.get("release"):
            return None
        ending = ENDINGS.get(self.options.get("format"), "")
        image = f"{self.words[0]}-{self.words[1]}-{self.options['release']}{ending}"
        return f"{TASKS}/{where[5]}/{children[0]['id']}/{image}"


def _at(value: Any, *path: str) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
