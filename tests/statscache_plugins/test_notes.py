"""What the bus tells of releases, outages and composes."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from statscache.daemon import Daemon
from statscache.demo.traffic import traffic
from statscache.plugins import Message, Note
from statscache.plugins.notes import checked
from statscache_plugins.notes import Plugin
from statscache_plugins.notes.sources import PREFIX, SOURCES, TOPICS
from tests.support.shared import read_lines

WHEN = datetime(2024, 5, 31, 12, tzinfo=UTC)
COMPOSE = "http://kojipkgs.fedoraproject.org/compose/rawhide/Fedora-Rawhide-20180426.n.0/compose"
ATOMIC = "https://download.fedoraproject.org/pub/alt/atomic/stable/"


def told(topic: str, msg: Any) -> Note | None:
    """Return what a message is noted as."""
    plugin = Plugin(None, {})
    body = {"topic": PREFIX + topic, "msg": msg, "timestamp": WHEN.timestamp(), "msg_id": "1"}
    return plugin.note_of(Message(body))


def mail(subject: Any, mailing_list: Any = "devel-announce", **headers: Any) -> dict[str, Any]:
    """Return a mail as mailman sends it to the bus."""
    its = {"subject": subject, "in-reply-to": None, "references": None, "archived-at": None, **headers}
    return {"mlist": {"list_name": mailing_list}, "msg": its}


def post(title: Any, link: Any = "https://fedoramagazine.org/announcing/") -> dict[str, Any]:
    """Return a post of the planet."""
    return {"post": {"title": title, "link": link}, "name": "Ada"}


NOTED = [
    (
        "pungi.compose.status.change",
        {"compose_id": "Fedora-28-20180425.0", "status": "FINISHED", "location": COMPOSE},
        Note(WHEN, None, "other", "Compose finished: Fedora-28-20180425.0", COMPOSE),
    ),
    (
        "pungi.compose.status.change",
        {"compose_id": "Fedora-Rawhide-20180426.n.0", "status": "FINISHED_INCOMPLETE", "location": "/mnt/x"},
        Note(WHEN, None, "other", "Compose finished, incomplete: Fedora-Rawhide-20180426.n.0"),
    ),
    (
        "compose.branched.complete",
        {"arch": "arm", "branch": "18", "log": "done"},
        Note(WHEN, None, "other", "Compose finished: branched 18 (arm)"),
    ),
    (
        "compose.rawhide.complete",
        {"arch": "", "branch": "rawhide", "log": "done"},
        Note(WHEN, None, "other", "Compose finished: rawhide"),
    ),
    (
        "releng.atomic.twoweek.complete",
        {"atomic_raw": {"release": "22"}},
        Note(WHEN, None, "release", "Fedora 22 Atomic Host released", ATOMIC),
    ),
    (
        "releng.atomic.twoweek.complete",
        {"aarch64": {}, "x86_64": {"atomic_raw": {"release": "28"}}},
        Note(WHEN, None, "release", "Fedora 28 Atomic Host released", ATOMIC),
    ),
    (
        "mailman.receive",
        mail("Planned Outage - koji -\n 2024-06-01 21:30 UTC", **{"archived-at": "<https://example.org/a/>"}),
        Note(
            *(datetime(2024, 6, 1, 21, 30, tzinfo=UTC), None, "outage"),
            *("Planned Outage - koji - 2024-06-01 21:30 UTC", "https://example.org/a/"),
        ),
    ),
    (
        "mailman.receive",
        mail("Unplanned outage of mail", "announce", **{"archived-at": "/list/a/message/B/"}),
        Note(
            *(WHEN, None, "outage", "Unplanned outage of mail"),
            "https://lists.fedoraproject.org/archives/list/a/message/B/",
        ),
    ),
    (
        "mailman.receive",
        mail("=?utf-8?q?Fedora_Linux_41_is_here=2C_at_last?="),
        Note(WHEN, None, "release", "Fedora Linux 41 is here, at last"),
    ),
    (
        "mailman.receive",
        mail("Outage 2024-13-41 99:99 UTC"),
        Note(WHEN, None, "outage", "Outage 2024-13-41 99:99 UTC"),
    ),
    (
        "planet.post.new",
        post("OMG! We're at forty! (Announcing the release of Fedora Linux 40)"),
        Note(
            *(WHEN, None, "release", "OMG! We're at forty! (Announcing the release of Fedora Linux 40)"),
            "https://fedoramagazine.org/announcing/",
        ),
    ),
]


@pytest.mark.parametrize(("topic", "msg", "note"), NOTED)
def test_what_is_announced_is_noted(topic: str, msg: Any, note: Note) -> None:
    """Composes, releases and outages, when they were told of or, for an outage, are said to begin."""
    assert told(topic, msg) == note
    assert checked(note) == note


NOTHING = [
    *(("pungi.compose.status.change", {"compose_id": "x", "status": s}) for s in ("STARTED", "DOOMED", None)),
    *(("pungi.compose.status.change", {"compose_id": c, "status": "FINISHED"}) for c in (None, 7, "", "\0")),
    ("pungi.compose.phase.stop", {"compose_id": "x", "status": "FINISHED"}),
    ("compose.rawhide.mash.complete", {"arch": "", "branch": "rawhide", "log": "done"}),
    ("releng.atomic.twoweek.begin", {"atomic_raw": {"release": "22"}}),
    ("releng.atomic.twoweek.complete", {"x86_64": [], "atomic_raw": {"release": None}}),
    ("mailman.receive", mail("Fedora 24 Branched 20160419.n.0 compose", "devel")),
    ("mailman.receive", mail("Planned outage", "devel")),
    ("mailman.receive", mail("Re: Planned outage", **{"in-reply-to": "<x>"})),
    ("mailman.receive", mail("Planned outage", references="<x>")),
    ("mailman.receive", mail("Fedora 41 Release Candidate 1.2 is now available")),
    ("mailman.receive", mail("Fedora 39 is now end of life")),
    ("mailman.receive", mail("Announcing Flock 2024")),
    ("mailman.receive", mail(None)),
    ("mailman.receive", mail("\ud800 outage")),
    ("planet.post.new", post("Announcing Fedora 30", "https://example.org/my-blog")),
    ("planet.post.new", post("What's new in Fedora 30 Workstation")),
    ("nagios.host.state.change", {"host": "proxy04", "state": "CRITICAL", "type": "PROBLEM"}),
    ("github.release", {"action": "published", "release": {"name": "1.0"}}),
]


@pytest.mark.parametrize(("topic", "msg"), NOTHING)
def test_nothing_else_is(topic: str, msg: Any) -> None:
    """Neither what goes on, nor what lacks its text, nor what people discuss."""
    assert told(topic, msg) is None


#: The keys that sources look for.
NAMES = [
    *("status", "compose_id", "location", "arch", "branch", "x86_64", "atomic_raw", "release"),
    *("mlist", "list_name", "msg", "subject", "archived-at", "in-reply-to", "post", "title", "link"),
]
JSON = st.recursive(
    st.none()
    | st.integers()
    | st.text()
    | st.just("FINISHED")
    | st.sampled_from(["x" * 5000, "\0", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(sorted(SOURCES)), JSON | JSON.map(lambda its: mail(its, "announce")) | JSON.map(post))
def test_whatever_a_message_holds_it_is_a_note_that_can_be_kept_or_none(topic: str, msg: Any) -> None:
    """So none is set aside."""
    note = told(topic, msg)
    if note is not None:
        checked(note)


@given(st.text(max_size=60) | st.text("=?utf-8qbQB_ \n").map("=?{}?= outage".format))
def test_any_subject_is_read(subject: str) -> None:
    """Also one that only looks as if it were encoded."""
    note = told("mailman.receive", mail(subject))
    if note is not None:
        checked(note)


def test_only_topics_of_sources_are_handed_over() -> None:
    """So that the plugin costs nothing for all others."""
    assert all(TOPICS.search(PREFIX + topic) for topic in SOURCES)
    others = ("compose.rawhide.complete.x", "x.compose.rawhide.complete", "composexrawhide.complete")
    for topic in (*(PREFIX + other for other in others), "a." + PREFIX + "planet.post.new"):
        assert TOPICS.search(topic) is None


def test_real_messages_come_to_these_notes(daemon: Daemon, engine: Engine, shared: Path) -> None:
    """Every finished compose and release of the real messages, and nothing in the quarantine."""
    for line in read_lines(shared / "data" / "messages.jsonl"):
        daemon.intake.accept(line["message"])
    daemon.flusher.flush()
    with engine.connect() as connection:
        found = Counter(connection.scalars(text("SELECT text FROM data_note")))
        plugins = set(connection.scalars(text("SELECT plugin FROM statscache_quarantine")))
    assert found == {
        "Compose finished: Fedora-28-20180425.0": 1,
        "Compose finished, incomplete: Fedora-Rawhide-20180426.n.0": 1,
        "Compose finished: branched 18": 1,
        "Compose finished: branched 18 (arm)": 1,
        "Compose finished: rawhide": 3,
        "Compose finished: Modular-Rawhide": 1,
        "Fedora 22 Atomic Host released": 1,
        "Fedora 28 Atomic Host released": 1,
    }
    assert "notes-from-the-bus" not in plugins


def test_made_up_traffic_has_some() -> None:
    """So that the demo shows lines."""
    plugin = Plugin(None, {})
    notes = map(plugin.note_of, map(Message, islice(traffic(1, WHEN.timestamp(), 1.0), 20_000)))
    assert next(filter(None, notes)).text.startswith("Compose finished: ")
