"""What the tables must hold after some messages, worked out in plain Python from what the documentation says of them.

It imports nothing of statscache. The users and packages of a message are the caller's to tell.
"""

from __future__ import annotations

import math
import string
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

#: The lengths in seconds of what ends a table's name.
LENGTHS = {"1s": 1, "5s": 5, "15s": 15, "1m": 60, "1h": 3600, "1d": 86400}
LONG = ("1h", "1d")
SECONDS = ("1s", "5s", "1m", *LONG)
#: Of each kind of table, its windows.
KINDS = {
    "data_volume": SECONDS,
    "data_volume_by_category": ("1s", "15s", "1m", "1h", "1d"),
    "data_volume_by_topic": SECONDS,
    "data_volume_by_user": SECONDS,
    "data_volume_by_package": SECONDS,
    "data_pagure_contribution": ("1d",),
    "data_pagure_user_contribution": ("1d",),
    "data_pagure_project_contribution": ("1d",),
}
RELENG = "data_releng_dashboard"
PARTS = tuple(f"{RELENG}/{part}" for part in ("compose", "updates", "amis", "artifacts"))
#: The kinds whose windows are not told apart by a key.
KEYLESS = ("data_volume", "data_pagure_contribution")
PROD = "org.fedoraproject.prod"
LONGEST_KEY = 2600
LONGEST_ID = 200

Body = Mapping[str, Any]
#: A table, or RELENG/part.
Place = str
Cells = dict[str, dict[Any, Any]]
Names = Callable[[Body], Iterable[str]]
#: category, constraint, rank, message
State = tuple[str, str, int, dict[str, Any]]


class Broken(Exception):
    """The message is one that this statistic cannot digest."""


class Reference:
    """Works out tables, and which messages cannot be digested.

    :param refuses: other cases of a key that a table does not take
    """

    def __init__(
        self, users: Names, packages: Names, refuses: Callable[[Place, str], bool] = lambda *_: False
    ) -> None:
        self._users = users
        self._packages = packages
        self._refuses = refuses
        #: The pairs of place and message id that were not digested.
        self.broken: set[tuple[Place, str]] = set()

    def tables(
        self, messages: Iterable[tuple[str, Body]], counts: Callable[[Place, str], bool] = lambda *_: True
    ) -> Cells:
        """Return what the tables must hold after messages, given with their ids.

        :param counts: whether a message is to be counted at a place
        """
        volumes: dict[str, Counter[Any]] = {table: Counter() for table in _tables()}
        latest: dict[tuple[str, str], Any] = {}
        for ident, body in messages:
            if usable(body):
                self._count(volumes, ident, body, counts)
                self._note(latest, ident, body, counts)
        dashboard = {key: (round(when, 6), state) for key, (_, when, state) in latest.items()}
        return {**{table: dict(counter) for table, counter in volumes.items()}, RELENG: dashboard}

    def _count(
        self, volumes: Mapping[str, Counter[Any]], ident: str, body: Body, counts: Callable[..., bool]
    ) -> None:
        for kind, keys in self._keys(body).items():
            for name in KINDS[kind]:
                table = f"{kind}_{name}"
                if any(unfit(key) or self._refuses(table, key) for key in keys if key is not None):
                    self.broken.add((table, ident))
                elif counts(table, ident):
                    start = window(body["timestamp"], LENGTHS[name])
                    volumes[table].update(start if key is None else (start, key) for key in keys)

    def _keys(self, body: Body) -> dict[str, list[Any]]:
        """Return under which keys the message counts in each kind of table; None is the lack of a key."""
        topic, users = body["topic"], list(set(self._users(body)))
        parts = topic.split(".")
        keys = {
            "data_volume": [None],
            "data_volume_by_category": parts[2:3] if "VirtualTopic" in topic else parts[3:4],
            "data_volume_by_topic": [topic],
            "data_volume_by_user": users,
            "data_volume_by_package": list(set(self._packages(body))),
        }
        if "io.pagure.prod" in topic:
            keys["data_pagure_contribution"] = [None]
            keys["data_pagure_user_contribution"] = users
            keys["data_pagure_project_contribution"] = list(project(body))
        return keys

    def _note(
        self, latest: dict[tuple[str, str], Any], ident: str, body: Body, counts: Callable[..., bool]
    ) -> None:
        for place, states_of in zip(PARTS, (composes, updates, amis, artifacts), strict=True):
            try:
                states = [checked(state) for state in states_of(body)]
            except (Broken, KeyError, TypeError, AttributeError, IndexError):
                self.broken.add((place, ident))
                continue
            for category, constraint, rank, message in states if counts(place, ident) else ():
                when = body["timestamp"]
                order = (math.floor(when), rank, own_id(body) or "")
                if (category, constraint) not in latest or order > latest[category, constraint][0]:
                    latest[category, constraint] = (order, when, message)


def _tables() -> Iterator[str]:
    for kind, names in KINDS.items():
        yield from (f"{kind}_{name}" for name in names)


def places() -> list[Place]:
    """Return every place that a message can count at."""
    return [*_tables(), *PARTS]


def usable(body: Body) -> bool:
    """Return whether the message counts at all: it needs a topic and a timestamp from 1970 to 9999."""
    topic, when = body.get("topic"), body.get("timestamp")
    if not isinstance(topic, str) or not topic or isinstance(when, bool):
        return False
    return isinstance(when, int | float) and 0 <= when < 253402300800


def own_id(body: Body) -> str | None:
    """Return the message's `msg_id` if it is of 1 to 200 printable characters, without a year before a UUID."""
    given = body.get("msg_id")
    if not isinstance(given, str) or not 0 < len(given) <= LONGEST_ID or not given.isprintable():
        return None
    year, _, rest = given.partition("-")
    dated = len(year) == 4 and set(year) <= set(string.digits)
    lengths = [len(part) for part in rest.split("-")]
    uuid = lengths == [8, 4, 4, 4, 12] and set(rest) <= {*string.hexdigits, "-"}
    return rest if dated and uuid else given


def window(when: float, length: int) -> int:
    """Return the start of the window that a time lies in."""
    return math.floor(when) // length * length


def unfit(key: str) -> bool:
    """Return whether PostgreSQL cannot hold the text as a key."""
    if "\0" in key or any("\ud800" <= sign <= "\udfff" for sign in key):
        return True
    return len(key.encode()) > LONGEST_KEY


def checked(state: State) -> State:
    """Return the state if PostgreSQL can hold it.

    :raises Broken: if not
    """
    category, constraint, _, message = state
    if any(unfit(text) for text in (category, constraint)):
        raise Broken
    if any("\0" in str(text) or unfit(str(text)[:LONGEST_KEY]) for text in message.values()):
        raise Broken
    return state


def text_at(value: Any, *path: str) -> str | None:
    """Return the text at the end of a path, None where there is none."""
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else None


def project(body: Body) -> Iterator[str]:
    """Yield the project that a message of pagure is about, if there is one; edits of comments are left out."""
    topic, msg = body["topic"], body.get("msg")
    if topic == "io.pagure.prod.pagure.issue.comment.edited":
        return
    asked, pushed, other = (
        text_at(msg, *path)
        for path in (("pullrequest", "project", "name"), ("repo", "name"), ("project", "name"))
    )
    first = other
    if "io.pagure.prod.pagure.pull-request" in topic:
        first = asked
    elif topic == "io.pagure.prod.pagure.git.receive":
        first = pushed
    names = [name for name in (first, asked, pushed, other) if name is not None]
    yield from names[:1]


def composes(body: Body) -> Iterator[State]:
    """Yield how a compose stands, for start and complete of rawhide and branched, in all and by stage."""
    topic = body["topic"]
    cut = max(topic.rfind(".start"), topic.rfind(".complete"))
    head, status = topic[:cut], "start" if topic[cut:].startswith(".start") else "complete"
    for branch in ("rawhide", "branched"):
        for stage in ("", ".mash", ".pungify", ".rsync"):
            if cut >= 0 and head == f"{PROD}.compose.{branch}{stage}":
                name = stage[1:] or branch
                group = f"compose-{branch}_{body['msg'].get('arch') or 'primary'}"
                yield group, name, int(status == "complete"), {"name": name.title(), "status": status}


def updates(body: Body) -> Iterator[State]:
    """Yield that a repository of updates was synced out."""
    for distribution in ("fedora", "epel"):
        if body["topic"] == f"{PROD}.bodhi.updates.{distribution}.sync":
            name = f"{body['msg']['release']}-{body['msg']['repo']}"
            yield f"updates-{distribution}", name, 0, {"name": name, "status": "synced out"}


def amis(body: Body) -> Iterator[State]:
    """Yield that an image is ready in a region."""
    if body["topic"] not in (f"{PROD}.fedimg.image.upload", f"{PROD}.fedimg.image.test"):
        return
    msg = body["msg"]
    if msg.get("status") != "completed":
        return
    image, place = msg["image_name"], msg["destination"]
    region = place.split("(")[1].split(")")[0] if "(" in place else place.removeprefix("EC2-")
    words = image.split(".")[0].split("-")
    branch = "rawhide" if len(words) > 3 and words[3].lower() == "rawhide" else "branched"
    message = {"name": image, "extra_text": place, "status": "completed"}
    if ami := text_at(msg, "extra", "id"):
        console = "https://redirect.fedoraproject.org/console.aws.amazon.com/ec2/v2/home"
        message["extra_link"] = f"{console}?region={region}#LaunchInstanceWizard:ami={ami}"
    yield f"ami-{branch}", f"{image}-{region}", 0, message


def artifacts(body: Body) -> Iterator[State]:
    """Yield how a live image or an appliance stands that koji builds."""
    msg = body.get("msg")
    if not isinstance(msg, dict) or msg.get("owner") != "masher":
        return
    if msg.get("method") not in ("appliance", "livecd"):
        return
    info = msg.get("info") if isinstance(msg.get("info"), dict) else {}
    request = info.get("request") if isinstance(info.get("request"), list) else []
    options = request[-1] if request and isinstance(request[-1], dict) else {}
    label = msg["srpm"]
    if options.get("format"):
        label += f" ({options['format']})"
    if len(request) > 1:
        label += " (rawhide)" if request[1] == "rawhide" else " (branched)"
    message = {"name": label, "status": msg["new"], "extra_text": "(details)"}
    if link := text_at(body.get("meta"), "link"):
        message["extra_link"] = link
    if image := image_link(msg, info, request, options):
        message["link"] = image
    yield f"artifact-{msg['method']}_{msg['srpm'].split('-')[-1]}", label, 0, message


def image_link(msg: Body, info: Body, request: list[Any], options: Body) -> str | None:
    """Return where the image of a finished live image is, if exactly one task made it."""
    children, result = info.get("children"), info.get("result")
    where = result.split(" ")[-1].split("/") if isinstance(result, str) else []
    known = len(where) > 5 and len(request) > 1 and options.get("release")
    if msg["method"] != "livecd" or msg["new"] != "CLOSED" or not known:
        return None
    if not isinstance(children, list) or len(children) != 1:
        return None
    ending = {None: ".iso", "qcow2": "-sda.qcow2", "raw": "-sda.raw.xz"}.get(options.get("format"), "")
    image = f"{request[0]}-{request[1]}-{options['release']}{ending}"
    return f"https://kojipkgs.fedoraproject.org/work/tasks/{where[5]}/{children[0]['id']}/{image}"


def differences(found: Cells, expected: Cells) -> dict[str, int]:
    """Return for each table that differs in how many cells it does."""
    wrong: defaultdict[str, int] = defaultdict(int)
    for table in expected.keys() | found.keys():
        here, there = found.get(table, {}), expected.get(table, {})
        wrong[table] += sum(here.get(key) != there.get(key) for key in here.keys() | there.keys())
    return {table: count for table, count in wrong.items() if count}
