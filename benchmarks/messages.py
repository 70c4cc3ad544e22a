"""Made-up messages of about 700 bytes: 22 categories, 200 users, 200 projects, 16 in a hundred of pagure's.

They are kept as lines of JSON that begin with the topic and end with the timestamp, so that a publisher can read the
one and replace the other without decoding.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: The start of a day, in seconds since 1970.
START = 1_700_006_400
#: In how many seconds of bus time the messages of each shape fall.
SPANS = {"burst": 200.0, "day": 86_400.0}
PAGURE_SHARE = 0.16
USERS = [f"user{number:03}" for number in range(200)]
PROJECTS = [f"project{number:03}" for number in range(200)]
CATEGORIES = (
    *("anitya", "askbot", "bodhi", "bugzilla", "buildsys", "compose", "copr", "faf", "fedbadges", "fedimg"),
    *("fedocal", "git", "github", "hotness", "jenkins", "koschei", "mailman", "mdapi", "meetbot", "planet"),
    "wiki",
)
PAGURE_TOPICS = ("git.receive", "issue.new", "issue.comment.added", "pull-request.new")
VERBS = ("new", "change", "update.edit", "state.change")
REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2")
HEAD, TAIL = b'{"topic": "', b', "timestamp": '
#: The length of a timestamp as it is written here, and of what follows it.
DIGITS = len("1700006400.000000")
FILLER = "lorem ipsum dolor sit amet consetetur sadipscing elitr sed diam " * 8


def write(path: Path, shape: str, count: int) -> None:
    """Write so many messages, in the order of their timestamps."""
    with path.open("wb") as file:
        file.writelines(lines(shape, count))


def lines(shape: str, count: int) -> Iterator[bytes]:
    """Yield messages as lines; the same for the same shape and count."""
    chance = random.Random(f"{shape} {count}")
    for number in range(count):
        topic, msg = _content(chance, number)
        body = {
            "topic": topic,
            "msg": msg,
            "msg_id": f"2023-{chance.getrandbits(128):032x}",
            "username": "apache",
            "i": number,
        }
        text = json.dumps(body).encode()
        yield text[:-1] + TAIL + stamp(START + SPANS[shape] * number / count) + b"}\n"


def stamp(when: float) -> bytes:
    """Return seconds since 1970 as the messages have them."""
    return b"%.6f" % when


def topic_of(line: bytes) -> bytes:
    """Return a line's topic."""
    return line[len(HEAD) : line.index(b'"', len(HEAD))]


def at(line: bytes, when: bytes) -> bytes:
    """Return a line's message with another timestamp, a `stamp`."""
    return line[: -DIGITS - 2] + when + b"}"


def bodies(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the messages of a file."""
    with path.open("rb") as file:
        yield from map(json.loads, file)


def _content(chance: random.Random, number: int) -> tuple[str, dict[str, Any]]:
    user, project = chance.choice(USERS), chance.choice(PROJECTS)
    msg: dict[str, Any] = {"agent": user, "id": number, "text": FILLER[: 430 + number % 41]}
    if chance.random() < PAGURE_SHARE:
        return f"io.pagure.prod.pagure.{_pagure(chance, user, project, msg)}", msg
    category = chance.choice(CATEGORIES)
    return f"org.fedoraproject.prod.{category}.{_other(chance, category, project, msg)}", msg


def _pagure(chance: random.Random, user: str, project: str, msg: dict[str, Any]) -> str:
    topic = chance.choice(PAGURE_TOPICS)
    where = {"name": project, "user": {"name": user}}
    if topic == "git.receive":
        msg["repo"] = where
    elif topic == "pull-request.new":
        msg["pullrequest"] = {"project": where, "user": {"name": user}}
    else:
        msg |= {"project": where, "issue": {"title": "It breaks", "user": {"name": user}}}
    return topic


def _other(chance: random.Random, category: str, project: str, msg: dict[str, Any]) -> str:
    if category == "compose":
        return f"{chance.choice(('rawhide', 'branched'))}.{chance.choice(('start', 'complete'))}"
    if category == "fedimg":
        msg |= {"status": "completed", "destination": f"EC2 ({chance.choice(REGIONS)})"}
        msg["image_name"] = f"Fedora-Cloud-Base-rawhide-{project}"
        return "image.upload"
    msg["project"] = project
    return chance.choice(VERBS)
