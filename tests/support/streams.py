"""Made-up but realistic messages of builds, updates, pull requests, issues and composes, drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.support.lengths import DAY, FEDORA, HOUR, PAGURE

#: A topic and what the message says.
Content = tuple[str, dict[str, Any]]
START = 1_700_000_000
#: Few seconds, many of them as far apart as something is given up, or nearly, or as an hour ends.
SECONDS = st.integers(0, 5).map(lambda second: START + second) | st.sampled_from(
    [
        START + apart + near
        for apart in (HOUR, START % HOUR, 3 * DAY, 6 * DAY, 7 * DAY, 730 * DAY, 1460 * DAY)
        for near in (-1, 0, 1)
    ]
)
NUMBERS = st.sampled_from([1, 2])


@st.composite
def koji(draw: st.DrawFn) -> Content:
    old, new = draw(
        st.sampled_from(
            [(None, 0), (0, 1), (0, 3), (0, 4), (4, 4), (1, 1), (1, 2), (2, 2), (0, 2), (3, 0), (3, 4)]
        )
    )
    msg = {
        "attribute": draw(st.sampled_from(["state", "state", "state", "volume_id"])),
        "build_id": draw(NUMBERS),
        "instance": draw(st.sampled_from(["primary", "s390", None])),
        "new": new,
        "old": old,
    }
    return f"{FEDORA}buildsys.build.state.change", msg


@st.composite
def copr(draw: st.DrawFn) -> Content:
    what = draw(st.sampled_from(["build.start", "chroot.start", "build.end", "build.end"]))
    msg = {
        "build": draw(NUMBERS),
        "chroot": draw(st.sampled_from(["fedora-41-x86_64", "epel-9-aarch64", "srpm-builds", None])),
        "copr": "tools",
        "status": draw(st.sampled_from([0, 1, 1, 2, 5, 8, None])) if what == "build.end" else 3,
    }
    return f"{FEDORA}copr.{what}", msg


@st.composite
def bodhi(draw: st.DrawFn) -> Content:
    what = draw(
        st.sampled_from(["testing", "stable", "obsolete", "unpush", "revoke", "done", "done", "tested"])
    )
    topic = {"done": "complete.stable", "tested": "complete.testing"}.get(what, f"request.{what}")
    update = {
        "alias": draw(st.sampled_from(["FEDORA-2024-1", "FEDORA-2024-2", None])),
        "title": draw(st.sampled_from(["ada-1-1.fc41", "bob-2-1.fc41", "ada-1-1.fc41 " * 200])),
        "release": {"name": draw(st.sampled_from(["F41", "EPEL-9"]))},
        "status": draw(st.sampled_from(["pending", "testing", "unpushed"])),
    }
    return f"{FEDORA}bodhi.update.{topic}", {"agent": "ada", "update": update}


@st.composite
def projects(draw: st.DrawFn) -> dict[str, Any]:
    """Return a project as messages of several years have it."""
    number = draw(NUMBERS)
    old = {"id": number, "name": f"p{number}", "user": {"name": "ada"}}
    old["parent"] = draw(st.sampled_from([None, {"name": "p9"}]))
    if draw(st.booleans()):
        return old
    fullname = draw(st.sampled_from([f"rpms/p{number}", f"forks/ada/p{number}"]))
    url = draw(st.sampled_from(["https://pagure.io/x", "https://src.fedoraproject.org/rpms/x", None]))
    return {**old, "fullname": fullname, "namespace": "rpms", "full_url": url}


@st.composite
def pull_requests(draw: st.DrawFn) -> Content:
    what = draw(st.sampled_from(["new", "closed", "closed", "reopened", "updated"]))
    msg: dict[str, Any] = {"pullrequest": {"id": draw(NUMBERS), "project": draw(projects())}}
    if what == "closed":
        msg["merged"] = draw(st.booleans())
    return f"{draw(st.sampled_from([FEDORA, PAGURE]))}pagure.pull-request.{what}", msg


@st.composite
def issues(draw: st.DrawFn) -> Content:
    what = draw(st.sampled_from(["new", "edit", "edit", "drop", "comment.added"]))
    status = draw(st.sampled_from(["Open", "Closed", "Fixed"]))
    msg: dict[str, Any] = {"issue": {"id": draw(NUMBERS), "status": status}, "project": draw(projects())}
    if what == "edit":
        msg["fields"] = draw(st.sampled_from([["status"], ["close_status", "status"], ["content"], []]))
    return f"{PAGURE}pagure.issue.{what}", msg


@st.composite
def pungi(draw: st.DrawFn) -> Content:
    compose = draw(
        st.sampled_from(
            [
                *("Fedora-Rawhide-20240601.n.0", "Fedora-Cloud-41-20240601.0", "Fedora-41-20240601.n.1"),
                *("Fedora-41", "20240601.n.0", "Fedora-41-2024.n.0"),
            ]
        )
    )
    status = draw(
        st.sampled_from(
            ["STARTED", "STARTED", "FINISHED", "FINISHED_INCOMPLETE", "DOOMED", "TERMINATED", "X"]
        )
    )
    return f"{FEDORA}pungi.compose.status.change", {"compose_id": compose, "status": status}


@st.composite
def damaged(draw: st.DrawFn, contents: st.SearchStrategy[Content]) -> Content:
    """Return a message that lacks something, or has something else there."""
    topic, msg = draw(contents)
    names = sorted(msg)
    name = draw(st.sampled_from(names))
    others: list[Any] = [None, True, "", [], {}, 1.5]
    return topic, {**msg, name: draw(st.sampled_from(others))}


CONTENTS: tuple[Callable[[], st.SearchStrategy[Content]], ...] = (
    *(koji, copr, bodhi, pull_requests, issues, pungi),
)


@st.composite
def streams(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return messages in an order of their own, some of which come several times."""
    one = draw(st.sampled_from(CONTENTS))()
    contents = draw(
        st.lists(
            st.one_of(one, one, one, damaged(one), *(make() for make in CONTENTS)), min_size=1, max_size=20
        )
    )
    sent = [
        {"topic": topic, "msg": msg, "timestamp": draw(SECONDS), "msg_id": f"m{number}"}
        for number, (topic, msg) in enumerate(contents)
    ]
    again = draw(st.lists(st.sampled_from(sent), max_size=3))
    return draw(st.permutations([*sent, *again]))
