"""Made-up but realistic messages of builds, updates, pull requests, issues and composes, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.support.lengths import DAY, FEDORA, HOUR, PAGURE

#: A topic and what the message says.
Content = tuple[str, dict[str, Any]]
START = 1_700_000_000
NUMBERS = st.sampled_from([1, 1, 1, 2])
KOJI_STARTS = [(None, 0)] * 6
KOJI_ENDS = [(0, 1), (0, 1), (0, 3), (0, 4), (4, 4), (1, 1), (0, 2)]
KOJI_OTHERS = [(1, 2), (2, 2), (3, 0), (3, 4), (None, 1)]
CHROOTS = ["fedora-41-x86_64", "epel-9-aarch64", "srpm-builds", None]
TITLES = ["ada-1-1.fc41 " * 200, "ada-1-1.fc41", "bob-2-1.fc41"]
URLS = ["https://pagure.io/x", "https://src.fedoraproject.org/rpms/x", None]
COMPOSES = [
    *("Fedora-Rawhide-20240601.n.0", "Fedora-Cloud-41-20240601.0", "Fedora-41-20240601.n.1"),
    *("Fedora-41", "20240601.n.0", "Fedora-41-2024.n.0"),
]
PROJECTS = st.fixed_dictionaries(
    {
        **{"id": NUMBERS, "name": st.just("p"), "user": st.just({"name": "ada"})},
        "parent": st.sampled_from([None, None, {"name": "p9"}]),
    },
    optional={
        **{"namespace": st.sampled_from(["rpms", None]), "full_url": st.sampled_from(URLS)},
        "fullname": st.sampled_from(["rpms/p", "forks/ada/p"]),
    },
)


@st.composite
def koji(draw: st.DrawFn, thing: dict[str, Any]) -> Content:
    """Return a message of a build in koji."""
    old, new = draw(st.sampled_from([*KOJI_STARTS, *KOJI_ENDS, *KOJI_OTHERS]))
    attribute = draw(st.sampled_from(["state"] * 7 + ["volume_id"]))
    return f"{FEDORA}buildsys.build.state.change", {**thing, "attribute": attribute, "old": old, "new": new}


@st.composite
def copr(draw: st.DrawFn, thing: dict[str, Any]) -> Content:
    """Return a message of a build in Copr."""
    what = draw(st.sampled_from(["build.start", "chroot.start", "build.end", "build.end"]))
    status = draw(st.sampled_from([0, 1, 1, 2, 5, 8, None])) if what == "build.end" else 3
    return f"{FEDORA}copr.{what}", {**thing, "status": status}


@st.composite
def bodhi(draw: st.DrawFn, thing: dict[str, Any]) -> Content:
    """Return a message of an update."""
    requests = ["testing", "testing", "testing", "stable", "obsolete", "unpush", "revoke"]
    others = ["complete.stable", "complete.stable", "complete.stable", "complete.testing"]
    what = draw(st.sampled_from([*(f"request.{request}" for request in requests), *others]))
    status = draw(st.sampled_from(["pending", "testing", "unpushed"]))
    return f"{FEDORA}bodhi.update.{what}", {"agent": "ada", "update": {**thing, "status": status}}


@st.composite
def pull_requests(draw: st.DrawFn, thing: dict[str, Any]) -> Content:
    """Return a message of a pull request."""
    what = draw(st.sampled_from(["new", "new", "closed", "closed", "closed", "reopened", "updated"]))
    merged = {"merged": draw(st.booleans())} if what == "closed" else {}
    return f"{thing['prefix']}pagure.pull-request.{what}", {"pullrequest": thing["about"], **merged}


@st.composite
def issues(draw: st.DrawFn, thing: dict[str, Any]) -> Content:
    """Return a message of an issue."""
    what = draw(st.sampled_from(["new", "new", "edit", "edit", "edit", "drop", "comment.added"]))
    status = draw(st.sampled_from(["Open"] if what == "new" else ["Open", "Closed", "Closed", "Fixed"]))
    issue = {"id": thing["about"]["id"], "status": status}
    msg: dict[str, Any] = {"issue": issue, "project": thing["about"]["project"]}
    if what == "edit":
        msg["fields"] = draw(st.sampled_from([["status"], ["close_status", "status"], ["content"], []]))
    return f"{thing['prefix']}pagure.issue.{what}", msg


@st.composite
def pungi(draw: st.DrawFn, thing: dict[str, Any]) -> Content:
    """Return a message of a compose."""
    ends = ["FINISHED", "FINISHED_INCOMPLETE", "DOOMED", "TERMINATED"]
    status = draw(st.sampled_from([*["STARTED"] * 4, *ends, "X"]))
    return f"{FEDORA}pungi.compose.status.change", {**thing, "status": status}


@dataclass(frozen=True)
class Kind:
    """Messages of one kind of things.

    :param message: gives a message of a thing
    :param things: what is the same in all messages of a thing
    :param give_up: in seconds
    """

    message: Any
    things: st.SearchStrategy[dict[str, Any]]
    give_up: int


ABOUT = st.fixed_dictionaries(
    {
        "prefix": st.sampled_from([PAGURE, PAGURE, FEDORA]),
        "about": st.fixed_dictionaries({"id": NUMBERS, "project": PROJECTS}),
    }
)
BUILDS = {"build_id": NUMBERS, "instance": st.sampled_from(["primary", None, "s390"])}
UPDATES = {
    "alias": st.sampled_from(["FEDORA-2024-1", None, "FEDORA-2024-2"]),
    "title": st.sampled_from(TITLES),
    "release": st.sampled_from([{"name": "F41"}, {"name": "EPEL-9"}]),
}
KINDS = (
    Kind(koji, st.fixed_dictionaries(BUILDS), 7 * DAY),
    Kind(copr, st.fixed_dictionaries({"build": NUMBERS, "chroot": st.sampled_from(CHROOTS)}), 3 * DAY),
    Kind(bodhi, st.fixed_dictionaries(UPDATES), 730 * DAY),
    Kind(pull_requests, ABOUT, 730 * DAY),
    Kind(issues, ABOUT, 730 * DAY),
    Kind(pungi, st.fixed_dictionaries({"compose_id": st.sampled_from(COMPOSES)}), 3 * DAY),
)


@st.composite
def contents(draw: st.DrawFn) -> list[tuple[Content, int]]:
    """Return what some things of one kind go through, one of which is odd, each with a second."""
    kind = draw(st.sampled_from(KINDS))
    things = draw(st.lists(kind.things, min_size=1, max_size=3))
    found, second = [], START
    for thing in draw(st.lists(st.sampled_from([things[0], *things]), min_size=3, max_size=20)):
        apart = [0, 1, 5, HOUR - START % HOUR, HOUR, kind.give_up - 5, kind.give_up, kind.give_up + 1]
        second += draw(st.sampled_from(apart))
        found.append((draw(kind.message(thing)), second))
    place = draw(st.integers(0, len(found) - 1))
    (topic, msg), second = found[place]
    if draw(st.booleans()):
        odd: list[Any] = [None, True, "", [], {}, 1.5]
        found[place] = (
            (topic, {**msg, draw(st.sampled_from(sorted(msg))): draw(st.sampled_from(odd))}),
            second,
        )
    return found


@st.composite
def streams(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return messages in an order of their own, some of which come several times."""
    both = [*draw(contents()), *draw(st.just([]) | contents())]
    sent = [
        {"topic": topic, "msg": msg, "timestamp": second, "msg_id": f"m{number}"}
        for number, ((topic, msg), second) in enumerate(both)
    ]
    again = draw(st.lists(st.sampled_from(sent), max_size=3))
    return draw(st.permutations([*sent, *again]))
