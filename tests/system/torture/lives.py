"""Messages of few things, each of which begins and ends many times: builds, updates, pull requests, issues, composes.

What is said of a thing comes out of order, in the same second, as far apart as it is given up, or nearly; it ends
twice, or never.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

Body = dict[str, Any]
#: A topic and what the message says.
Content = tuple[str, Body]
#: The share of all messages that are of such things, how many there are of each kind, and how many of years ago, of
#: which less is said, so that more depends on each.
SHARE, THINGS, PAST_THINGS = 0.1, 8, 16
#: How often the next of these is about another thing than the last. Else daemons seldom have to do with one at once.
CHANGED = 0.3
#: The share of these whose time is one of a few of years ago, before that of all others.
PAST = 0.4
HOUR, DAY = 3600, 86_400
#: A whole hour of 2019; from it until `FIRST` there are only these.
THEN, FIRST = 1_550_000_000 // HOUR * HOUR, 1_690_000_000
#: The hours of then that an archive is asked for while messages come.
THEN_ABOUT = THEN - HOUR, THEN + 3 * HOUR
FEDORA, PAGURE = "org.fedoraproject.prod.", "io.pagure.prod."
PEOPLE = ("ada", "bob", "https://cyd.id.fedoraproject.org/", "dee@fedoraproject.org", "@group", "", "ada-bot")


class Lives:
    """Makes such messages of others.

    :param share: how many of them are replaced
    """

    def __init__(self, chance: random.Random, share: float = SHARE) -> None:
        self._chance = chance
        self._share = share
        self._thing: tuple[str, int, bool] | None = None

    def replace(self, body: Body, past: float = PAST) -> Body:
        """Return the message, or one in its place that is about such a thing.

        :param past: the share of these that are of years ago
        """
        chance = self._chance
        if chance.random() >= self._share:
            return body
        if chance.random() < CHANGED or self._thing is None:
            self._thing = self._draw(past)
        kind, number, is_past = self._thing
        topic, msg = MAKERS[kind](chance, number)
        when = self._then(kind, number) if is_past else body["timestamp"]
        return {**body, "topic": topic, "msg": msg, "timestamp": when}

    def _draw(self, past: float) -> tuple[str, int, bool]:
        """Return another thing: its kind and number, and whether it is of years ago."""
        chance = self._chance
        kind, is_past = chance.choice(list(MAKERS)), chance.random() < past
        return kind, THINGS + chance.randrange(PAST_THINGS) if is_past else chance.randrange(THINGS), is_past

    def _then(self, kind: str, number: int) -> float:
        """Return a time to the microsecond: most often that of a thing's begin, or about when it is given up."""
        late = GIVE_UP[kind] + number % 2
        others = [1, 5, HOUR - 1, HOUR, 2 * GIVE_UP[kind]]
        apart = self._chance.choice([0, 0, 0, late, late, late, self._chance.choice(others)])
        return round(THEN + apart + self._chance.choice([0, self._chance.random()]), 6)


def koji(chance: random.Random, number: int) -> Content:
    """Return a message of a build in koji: it begins, ends, is deleted or moves, or tells its new state twice."""
    old, new = chance.choice(
        [(None, 0)] * 4 + [(0, 1), (0, 3), (0, 4), (4, 4), (1, 1), (0, 2), (1, 2), (3, 0)]
    )
    instance = {} if number % 3 else {"instance": "s390"}
    attribute = chance.choice(["state"] * 9 + ["volume_id"])
    about = {"attribute": attribute, "build_id": 20_000_000 + number, "old": old, "new": new, **instance}
    return f"{FEDORA}buildsys.build.state.change", {**about, "name": "maple", "owner": chance.choice(PEOPLE)}


def copr(chance: random.Random, number: int) -> Content:
    """Return a message of a build in Copr."""
    what = chance.choice(["build.start", "chroot.start", "build.end", "build.end"])
    chroot = ("fedora-41-x86_64", "srpm-builds", None)[number % 3]
    msg = {"build": 20_000_000 + number // 2, "chroot": chroot, "status": chance.choice([0, 1, 1, 2, 5, 8])}
    return f"{FEDORA}copr.{what}", {**msg, "user": chance.choice(PEOPLE), "owner": "maple", "pkg": "maple"}


def bodhi(chance: random.Random, number: int) -> Content:
    """Return a message of an update, of which some have a title only, and a long one."""
    requests = ["testing"] * 3 + ["stable", "obsolete", "unpush", "revoke"]
    whats = [f"request.{request}" for request in requests]
    what = chance.choice([*whats, *["complete.stable"] * 3, "complete.testing"])
    alias = None if number % 3 == 0 else f"FEDORA-2024-{number}"
    title = "maple-1-1.fc41 " * (90 if number % 2 else 1) + str(number)
    status = chance.choice(["pending", "testing", "unpushed"])
    update = {"alias": alias, "title": title, "release": {"name": "F41"}, "status": status}
    return f"{FEDORA}bodhi.update.{what}", {"agent": chance.choice(PEOPLE), "update": update}


def pull_requests(chance: random.Random, number: int) -> Content:
    """Return a message of a pull request."""
    what = chance.choice(["new", "new", "reopened", "closed", "closed", "closed", "updated"])
    merged = {"merged": chance.choice([True, False, None])} if what == "closed" else {}
    request = {"id": number // 2, "project": project(number), "user": {"name": "maple"}, "title": "Mend it"}
    return f"{prefix(number)}pagure.pull-request.{what}", by(chance, pullrequest=request, **merged)


def issues(chance: random.Random, number: int) -> Content:
    """Return a message of an issue."""
    what = chance.choice(["new", "new", "edit", "edit", "edit", "drop", "comment.added"])
    status = "Open" if what == "new" else chance.choice(["Open", "Closed", "Fixed"])
    fields = {"fields": chance.choice([["status"], ["close_status", "status"], ["content"]])}
    issue = {"id": number // 2, "status": status, "title": "It breaks", "user": {"name": "maple"}}
    about = {"issue": issue, "project": project(number), **(fields if what == "edit" else {})}
    return f"{prefix(number)}pagure.issue.{what}", by(chance, **about)


def composes(chance: random.Random, number: int) -> Content:
    """Return a message of a compose."""
    status = chance.choice(["STARTED"] * 4 + ["FINISHED", "FINISHED_INCOMPLETE", "DOOMED", "TERMINATED", "X"])
    compose = f"Fedora-Rawhide-20110313.n.{number}"
    return f"{FEDORA}pungi.compose.status.change", {"compose_id": compose, "status": status}


def by(chance: random.Random, **msg: Any) -> Body:
    """Return what a message says, and who did it."""
    return {"agent": chance.choice(PEOPLE), **msg}


def prefix(number: int) -> str:
    """Return where the topic of a thing on pagure begins."""
    return FEDORA if number % 4 == 0 else PAGURE


def project(number: int) -> Body:
    """Return a project on pagure, which may be a fork, or say where it is."""
    forked = {"parent": {"name": "p"}} if number % 4 > 1 else {}
    url = {"full_url": "https://src.example.org/rpms/p"} if number == 5 else {}
    about = {"id": 20_000_000 + number % 2, "name": "p", "namespace": "rpms", "user": {"name": "ada"}}
    return {**about, **forked, **url}


MAKERS: dict[str, Callable[[random.Random, int], Content]] = {
    "koji": koji,
    "copr": copr,
    "bodhi": bodhi,
    "pull requests": pull_requests,
    "issues": issues,
    "composes": composes,
}
GIVE_UP = {
    **{"koji": 7 * DAY, "copr": 3 * DAY, "composes": 3 * DAY},
    **{"bodhi": 730 * DAY, "pull requests": 730 * DAY, "issues": 730 * DAY},
}
