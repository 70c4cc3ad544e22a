"""What the statistics of durations must hold after some messages, worked out in plain Python from what they mean.

It imports nothing of statscache's plugins. How begins and ends pair is in `durations.expected`, which has no SQL.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.support.durations import Rows, Sent, expected

HOUR, DAY = 3600, 86_400
#: The longest title of an update, in bytes, by which it is known as it is.
LONGEST_TITLE = 1000
#: Of each table, after how many seconds something is given up.
GIVE_UP = {
    "data_koji_build_1h": 7 * DAY,
    "data_copr_build_1h": 3 * DAY,
    "data_bodhi_update_1h": 730 * DAY,
    "data_pagure_pull_request_1h": 730 * DAY,
    "data_pagure_issue_1h": 730 * DAY,
    "data_pungi_compose_1h": 3 * DAY,
}
#: Of each table, its keys.
KEYS = {
    "data_koji_build_1h": ("instance", "outcome"),
    "data_copr_build_1h": ("chroot", "outcome"),
    "data_bodhi_update_1h": ("release", "outcome"),
    "data_pagure_pull_request_1h": ("instance", "project", "outcome"),
    "data_pagure_issue_1h": ("instance", "project", "outcome"),
    "data_pungi_compose_1h": ("release", "outcome"),
}
FEDORA, PAGURE = "org.fedoraproject.prod.", "io.pagure.prod."

Body = Mapping[str, Any]
#: A table, and what is said of it: `began` or `ended`, the id, and the keys, those of a begin without the outcome.
Said = tuple[str, tuple[Any, ...]]


class Unsaid(Exception):
    """The message does not say what is needed."""


def tables(bodies: Iterable[Body]) -> dict[str, Rows]:
    """Return the rows of each table after messages, each of which has a `msg_id` and may be there several times."""
    sent: dict[str, list[Sent]] = {table: [] for table in GIVE_UP}
    for body in bodies:
        for table, says in said(body):
            sent[table].append(Sent(int(body["timestamp"] // 1), body["msg_id"], (says,)))
    return {table: expected(messages, GIVE_UP[table], HOUR) for table, messages in sent.items()}


def said(body: Body) -> list[Said]:
    """Return what a message says of things that begin and end."""
    topic, msg = body["topic"], body.get("msg")
    try:
        if topic.startswith((FEDORA + "pagure.", PAGURE + "pagure.")):
            return list(pagure(topic, msg))
        if topic.startswith(FEDORA):
            return list(fedora(topic[len(FEDORA) :], msg))
    except Unsaid:
        pass
    return []


def fedora(what: str, msg: Any) -> Iterator[Said]:
    """Yield what a message of Fedora's services says."""
    if what == "buildsys.build.state.change":
        yield from koji(msg)
    elif what in ("copr.build.start", "copr.chroot.start", "copr.build.end"):
        yield from copr(what, msg)
    elif what.startswith("bodhi.update."):
        yield from bodhi(what[len("bodhi.update.") :], msg)
    elif what == "pungi.compose.status.change":
        yield from pungi(msg)


def koji(msg: Any) -> Iterator[Said]:
    """A build begins in state 0, and ends in another if it was in 0, or if the message tells the new state twice."""
    number, new = integer(msg, "build_id"), integer(msg, "new")
    if part(msg, "attribute") != "state":
        return
    try:
        where = word(msg, "instance")
    except Unsaid:
        where = "primary"
    names = ("", "complete", "deleted", "failed", "canceled")
    if new == 0:
        yield "data_koji_build_1h", ("began", (where, number), where)
    elif 1 <= new <= 4:
        before = integer(msg, "old")
        if before == 0 or (new != 2 and before == new):
            yield "data_koji_build_1h", ("ended", (where, number), where, names[new])


def copr(what: str, msg: Any) -> Iterator[Said]:
    """A build begins in a chroot and ends there, in one of four ways."""
    thing = integer(msg, "build"), word(msg, "chroot")
    if what == "copr.build.end":
        status = integer(msg, "status")
        for number, name in ((0, "failed"), (1, "succeeded"), (2, "canceled"), (5, "skipped")):
            if status == number:
                yield "data_copr_build_1h", ("ended", thing, thing[1], name)
    else:
        yield "data_copr_build_1h", ("began", thing, thing[1])


def bodhi(what: str, msg: Any) -> Iterator[Said]:
    """An update is submitted, and becomes stable, obsolete or unpushed."""
    update = part(msg, "update")
    try:
        name = word(update, "alias")
    except Unsaid:
        name = shortened(word(update, "title"))
    release = word(update, "release", "name")
    status = update.get("status")
    pending = status == "pending"
    submitted = what == "request.testing" or (what == "request.stable" and pending)
    taken_back = what == "request.unpush" or (what == "request.revoke" and status == "unpushed")
    if submitted:
        yield "data_bodhi_update_1h", ("began", name, release)
    for over, how in (
        (taken_back, "unpushed"),
        (what == "request.obsolete", "obsolete"),
        (what == "complete.stable", "stable"),
    ):
        if over:
            yield "data_bodhi_update_1h", ("ended", name, release, how)


def shortened(title: str) -> str:
    """Return what an update is known by that has no alias: its title, of which a long one is hashed."""
    encoded = title.encode(errors="surrogatepass")
    return title if len(encoded) <= LONGEST_TITLE else f"sha256:{hashlib.sha256(encoded).hexdigest()}"


def pagure(topic: str, msg: Any) -> Iterator[Said]:
    """Pull requests and issues are opened, closed, opened again; issues may be deleted."""
    what = topic.split(".pagure.", 1)[1] if topic.startswith(FEDORA) else topic[len(PAGURE + "pagure.") :]
    if what in ("pull-request.new", "pull-request.reopened", "pull-request.closed"):
        request = part(msg, "pullrequest")
        host, project, number = numbered(topic, part(request, "project"))
        thing = host, number, integer(request, "id")
        if what != "pull-request.closed":
            yield "data_pagure_pull_request_1h", ("began", thing, host, project)
        elif part(msg, "merged") is True:
            yield "data_pagure_pull_request_1h", ("ended", thing, host, project, "merged")
        elif part(msg, "merged") is False:
            yield "data_pagure_pull_request_1h", ("ended", thing, host, project, "closed")
    elif what in ("issue.new", "issue.edit", "issue.drop"):
        host, project, number = numbered(topic, part(msg, "project"))
        thing = host, number, integer(msg, "issue", "id")
        closed = word(msg, "issue", "status") not in ("Open", "open")
        changed = what == "issue.edit" and "status" in listed(msg, "fields")
        if (what == "issue.new" or changed) and not closed:
            yield "data_pagure_issue_1h", ("began", thing, host, project)
        elif changed:
            yield "data_pagure_issue_1h", ("ended", thing, host, project, "closed")
        elif what == "issue.drop" and not closed:
            yield "data_pagure_issue_1h", ("ended", thing, host, project, "deleted")


def numbered(topic: str, project: Any) -> tuple[str, str, int]:
    """Return the host of a project, its full name and its number."""
    try:
        host = re.sub(r"^https?://([^/]+).*", r"\1", word(project, "full_url"))
    except Unsaid:
        host = "pagure.io" if topic.startswith(PAGURE) else "src.fedoraproject.org"
    try:
        name = word(project, "fullname")
    except Unsaid:
        name = word(project, "name")
        if project.get("namespace"):
            name = f"{project['namespace']}/{name}"
        if project.get("parent"):
            name = f"forks/{word(project, 'user', 'name')}/{name}"
    return host, name, integer(project, "id")


def pungi(msg: Any) -> Iterator[Said]:
    """A compose is started, and comes to an end in one of four ways."""
    compose, status = word(msg, "compose_id"), part(msg, "status")
    release, dash, rest = compose.rpartition("-")
    date = rest.split(".")
    if not (release and dash and re.fullmatch("[0-9]{8}", date[0]) and re.fullmatch("[0-9]+", date[-1])):
        return
    if len(date) not in (2, 3) or (len(date) == 3 and not re.fullmatch("[a-z]+", date[1])):
        return
    if status == "STARTED":
        yield "data_pungi_compose_1h", ("began", compose, release)
    elif status in ("FINISHED", "FINISHED_INCOMPLETE", "DOOMED", "TERMINATED"):
        yield "data_pungi_compose_1h", ("ended", compose, release, status.lower().replace("_", " "))


def part(value: Any, *path: str) -> Any:
    """Return what is at a path, which must be there."""
    for name in path:
        if not isinstance(value, dict) or value.get(name) is None:
            raise Unsaid
        value = value[name]
    return value


def word(value: Any, *path: str) -> str:
    """Return the text at a path, which must be there and not be empty."""
    found = part(value, *path)
    if not isinstance(found, str) or not found:
        raise Unsaid
    return found


def integer(value: Any, *path: str) -> int:
    """Return the whole number at a path, which must be there."""
    found = part(value, *path)
    if type(found) is not int:
        raise Unsaid
    return found


def listed(value: Any, *path: str) -> list[Any]:
    """Return the list at a path, which must be there."""
    found = part(value, *path)
    if not isinstance(found, list):
        raise Unsaid
    return found
