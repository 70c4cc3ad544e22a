"""People who are to be forgotten: their names, messages that name them wherever that can be, and their tokens."""

from __future__ import annotations

import hmac
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from tests.system.torture.messages import POISON

Body = dict[str, Any]
#: How many there are, what their names are made of, so that nothing else has them, and how long these are.
NUMBER, LETTERS, LENGTH = 6, "hjkqvwxyz", 20
#: How many of all messages are such as name one of these people, or somebody else, everywhere.
SHARE = 0.15
#: Of these, how many plugins cannot digest, or do not count at all.
ODD = 0.01
ELSE = "carol"
#: Those of the people of `lives` who have these names, and as whom they write.
ALSO = ('"ada"', '"bob"', '"dee@')
#: Each token by the hash of the name.
TOKENS = "SELECT hash, instead FROM statscache_forgotten"


def names_of(seed: int) -> tuple[str, ...]:
    """Return the names of a scenario with this seed."""
    chance = random.Random(f"names {seed}")
    return tuple("".join(chance.choices(LETTERS, k=LENGTH)) for _ in range(NUMBER))


def naming(bodies: Sequence[Body], seed: int) -> list[Body]:
    """Return the messages, many of which name one of these people; what was one message twice is so still."""
    names, chance = names_of(seed), random.Random(f"naming {seed}")
    made: dict[int, Body] = {}
    for body in bodies:
        if id(body) not in made:
            made[id(body)] = _naming(body, chance, names)
    return [made[id(body)] for body in bodies]


def _naming(body: Body, chance: random.Random, names: tuple[str, ...]) -> Body:
    if chance.random() < SHARE and isinstance(body.get("timestamp"), int | float):
        return everywhere(body, chance, chance.choice([*names, ELSE]))
    written = json.dumps(body)
    for also, name in zip(ALSO, names, strict=False):
        written = written.replace(also, also.replace(also.strip('"@'), name))
    return body if written == json.dumps(body) else json.loads(written)  # type: ignore[no-any-return]


def everywhere(body: Body, chance: random.Random, who: str) -> Body:
    """Return a message at the time of another that names somebody in its topic, id, headers, address and free text."""
    number = body["i"]
    user = {"name": who, "emails": [f"{who}@example.org"]}
    project = {
        "id": 7,
        "name": "tool",
        "parent": {"name": "tool"},
        "user": user,
        "fullname": f"forks/{who}/tool",
    }
    request = {
        "id": number,
        "project": project,
        "user": user,
        "comment": f"by {who}\n{who} asks",
        "title": who,
    }
    kind = chance.choice(["new", "closed", f"{who}.comment.added"])
    topic = f"io.pagure.prod.pagure.pull-request.{kind}"
    draw = chance.random()
    if draw < ODD:
        topic = f"org.fedoraproject.prod.odd.{POISON}.{who}"
    headers = {f"fedora_messaging_user_{who}": True, f"fedora_messaging_user_{who}@example.org": True}
    return {
        "topic": topic,
        "msg_id": f"2023-{who}-{number}",
        "timestamp": f"of {who}" if ODD <= draw < 2 * ODD else body["timestamp"],
        "username": "pagure",
        "i": number,
        "headers": headers,
        "msg": {"agent": who, "pullrequest": request},
    }


def tokens(connection: Connection, key_file: Path, names: Sequence[str]) -> dict[str, str]:
    """Return what is written instead of each of the names that is forgotten."""
    instead: dict[str, str] = dict(connection.execute(text(TOKENS)).all())
    key = bytes.fromhex(key_file.read_text().strip())
    hashes = {name: hmac.digest(key, name.encode(), "sha256").hex() for name in names}
    return {name: instead[hash] for name, hash in hashes.items() if hash in instead}


def renamed(value: Any, instead: Mapping[str, str]) -> Any:
    """Return a text or a message in which others are written instead of names."""
    written = json.dumps(value)
    for name, other in instead.items():
        written = written.replace(name, other)
    return json.loads(written)
