"""How long builds, updates, pull requests, issues and composes take: what tells of it, and what it comes to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statscache.hosting.loader import Part
from statscache.plugins import BasePlugin, Message, Schedule
from statscache_plugins.durations import bodhi_updates, copr_builds, koji_builds, pagure, pungi_composes
from tests.support.bench import Bench
from tests.support.durations import Rows
from tests.support.lengths import FEDORA, GIVE_UP, KEYS, said, tables
from tests.support.shared import read_lines
from tests.support.streams import streams

KINDS: Sequence[Any] = (
    *(koji_builds.Plugin, copr_builds.Plugin, bodhi_updates.Plugin),
    *(*pagure.plugins, pungi_composes.Plugin),
)
PLUGINS = [kind(Schedule(kind.interval), {}) for kind in KINDS]


def taken(body: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return what the plugins take from a message: the table without data_ and _1h, begin or end, the id, the keys."""
    message, found = Message({"timestamp": 1, **body}), []
    for plugin in PLUGINS:
        if plugin.topics.search(message.topic):
            assert plugin.process(message) is None
        name = plugin.model.__tablename__.removeprefix("data_").removesuffix("_1h")
        found += [
            (name, "ended" if item[2] else "began", item[0], *item[4:]) for item in plugin.queue.drain()
        ]
    return found


def labels() -> dict[tuple[str, str], list[tuple[str | None, ...]]]:
    """Return what messages say, by the place where each is and its topic."""
    lines = (Path(__file__).parent / "durations.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")][1:]
    found: dict[tuple[str, str], list[tuple[str | None, ...]]] = {}
    for message, topic, *says in rows:
        found.setdefault((message, topic), []).append(tuple(None if word == "-" else word for word in says))
    return found


def of_files(shared: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the recorded messages, with the names of their places."""
    for name in ("messages", "amqp"):
        for number, line in enumerate(read_lines(shared / "data" / f"{name}.jsonl"), 1):
            body = line["message"]
            inner = body.get("body", {})
            if "topic" in inner:
                body = inner
            elif "msg" not in body:
                msg = inner.get("msg", inner) or {key: body[key] for key in body if key != "topic"}
                body = {"topic": body["topic"], "msg": msg}
            yield f"{name} {number}", body


def of_package() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the messages of the tests of Fedora's processors that are about such things."""
    for module in ("bodhi", "buildsys", "compose2", "coprs", "pagure"):
        tests = pytest.importorskip(f"fedmsg_meta_fedora_infrastructure.tests.{module}")
        for name, its in vars(tests).items():
            if isinstance(getattr(its, "msg", None), dict):
                yield f"package {module}:{name}", its.msg


def as_of_production(body: dict[str, Any]) -> dict[str, Any]:
    """Return a message with a time, and the topic that it would have had."""
    topic = re.sub(r"\.(dev|stg)\.", ".prod.", body["topic"], count=1)
    when = body.get("timestamp")
    return {**body, "topic": topic, "timestamp": when if isinstance(when, int | float) else 1}


def assert_read_rightly(messages: Iterable[tuple[str, dict[str, Any]]], source: tuple[str, ...]) -> None:
    """See that the plugins, and the oracle, read from messages what the labels say, and nothing else."""
    expected = {key: says for key, says in labels().items() if key[0].startswith(source)}
    found, also = {}, {}
    for place, body in messages:
        message = as_of_production(body)
        found[place, body["topic"]] = taken(message)
        also[place, body["topic"]] = [(of_table(table), *says) for table, says in said(message)]
    assert {key: says for key, says in found.items() if says} == expected
    assert {key: len(says) for key, says in also.items() if says} == dict.fromkeys(expected, 1)
    for key, [(table, what, _, *keys)] in expected.items():
        [(said_table, said_what, _, *said_keys)] = also[key]
        assert (said_table, said_what) == (table, what)
        assert [*said_keys, *([None] if what == "began" else [])] == keys


def of_table(table: str) -> str:
    return table.removeprefix("data_").removesuffix("_1h")


def test_recorded_messages_are_read_as_labelled(shared: Path) -> None:
    """Each begin and end is recognised, and no other message is taken for one; so says the oracle."""
    assert_read_rightly(of_files(shared), ("messages", "amqp"))


def test_messages_of_fedora_s_processors_are_read_as_labelled() -> None:
    """Those of their tests, too."""
    assert_read_rightly(of_package(), ("package",))


def test_other_environments_count_nowhere() -> None:
    """Nor does a topic that only begins or ends alike."""
    wanted = [
        "org.fedoraproject.prod.buildsys.build.state.change",
        "org.fedoraproject.prod.copr.build.end",
        "org.fedoraproject.prod.bodhi.update.complete.stable",
        "io.pagure.prod.pagure.issue.edit",
        "org.fedoraproject.prod.pagure.pull-request.closed",
        "org.fedoraproject.prod.pungi.compose.status.change",
    ]
    for topic in wanted:
        others = topic.replace(".prod.", ".stg."), f"{topic}.more", f"x.{topic}", f"{topic}\n"
        assert sum(bool(plugin.topics.search(topic)) for plugin in PLUGINS) == 1
        assert not any(plugin.topics.search(other) for plugin in PLUGINS for other in others)


class HourBench(Bench):
    """A daemon on plugins that have their own windows."""

    @staticmethod
    def _part(kind: type[BasePlugin]) -> Part:
        def make() -> BasePlugin:
            assert kind.interval is not None
            return kind(Schedule(kind.interval), {})

        return Part(kind.name, make(), make)


@pytest.fixture
def bench(database: str, tmp_path: Path) -> Iterator[HourBench]:
    """A daemon on these plugins."""
    bench = HourBench(database, tmp_path / "spool", *KINDS)
    yield bench
    bench.die()


def empty(bench: Bench) -> None:
    """Let nothing have been counted."""
    every = [name for table in GIVE_UP for name in (table, f"{table}_event")]
    core = ["statscache_ledger", "statscache_quarantine", "statscache_quarantine_body"]
    bench.execute(f"TRUNCATE {', '.join([*every, *core])}")
    bench.execute("UPDATE statscache_coverage SET covered = '{}', pruned = NULL")


def found(bench: Bench) -> dict[str, Rows]:
    """Return the rows of each table."""
    rows: dict[str, Rows] = {}
    for table, keys in KEYS.items():
        query = f"SELECT extract(epoch FROM timestamp)::bigint, {', '.join(keys)}, bucket, volume, seconds FROM {table}"
        rows[table] = {
            (start, tuple(names), bucket): (volume, seconds)
            for start, *names, bucket, volume, seconds in bench.execute(query)
        }
    return rows


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_cell_is_as_computed(bench: HourBench, data: st.DataObject) -> None:
    """Shuffled or newest first, some messages several times, and however they are split over flushes."""
    empty(bench)
    messages = data.draw(streams())
    if data.draw(st.booleans(), "newest first"):
        messages = sorted(messages, key=lambda message: -message["timestamp"])
    cuts = data.draw(st.sets(st.integers(1, len(messages)), max_size=4))
    for start, stop in pairwise(sorted({0, *cuts, len(messages)})):
        for message in messages[start:stop]:
            bench.intake.accept(message)
        bench.flush()
        assert found(bench) == tables(messages[:stop])
    assert bench.execute("SELECT plugin, error FROM statscache_quarantine") == []


def test_what_cannot_be_kept_is_in_the_quarantine(bench: HourBench) -> None:
    """It is none of these plugins' guesses what a name of 3,000 characters is short for."""
    msg = {"build": 1, "chroot": "x" * 3000}
    bench.intake.accept({"topic": f"{FEDORA}copr.build.start", "msg": msg, "timestamp": 1, "msg_id": "1"})
    bench.flush()
    assert bench.execute("SELECT plugin FROM statscache_quarantine") == [("copr builds",)]
    assert not any(found(bench).values())


def test_what_is_not_over_is_listed(bench: HourBench) -> None:
    """With what its begin says of it, and no outcome."""
    msg = {"compose_id": "Fedora-Rawhide-20240601.n.0", "status": "STARTED"}
    topic = f"{FEDORA}pungi.compose.status.change"
    bench.intake.accept({"topic": topic, "msg": msg, "timestamp": 1, "msg_id": "1"})
    bench.flush()
    query = "SELECT id, release, outcome FROM data_pungi_compose_1h_event WHERE NOT ends"
    assert bench.execute(query) == [("Fedora-Rawhide-20240601.n.0", "Fedora-Rawhide", None)]
