"""The quarantine: what one plugin cannot digest costs nobody else anything, and counts once when it can."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from statscache.daemon import Daemon
from statscache.plugins import Message
from statscache.store.quarantine import PAUSES
from tests.support.bench import Bench, Good, Keeper, Other
from tests.support.refusing import Picky, Poisoned, Stateful, forget_troubles, make_due, rows, words

MakeBench = Callable[..., Bench]
ODD: dict[str, Any] = {
    "nan": math.nan,
    "infinity": [math.inf, -math.inf],
    "huge": 10**400,
    "surrogate": "a\ud800b",
    "nul": "\0",
    "word": "bad",
}


@pytest.fixture(autouse=True)
def no_trouble() -> None:
    """The plugins that can fail do not, until a test says so."""
    forget_troubles()


def test_a_message_that_makes_process_raise_is_set_aside(make_bench: MakeBench) -> None:
    """It counts for the others and stands in the quarantine for that plugin, with all there is to know."""
    Picky.trouble = {"bad": RuntimeError("not\0this \ud800 one")}
    bench = make_bench(Good, Picky, Keeper)
    bench.accept("a", "bad", "b")
    bench.flush()
    assert (words(bench, "test_good"), bench.volume("test_keeper")) == ({"a": 1, "bad": 1, "b": 1}, 3)
    assert words(bench, "test_picky") == {"a": 1, "b": 1}
    [row] = rows(bench)
    assert (row.plugin, row.msg_id, row.topic, row.attempts) == ("picky", "2", "a.b.c.d", 1)
    assert row.error == "RuntimeError: not\\x00this \\ud800 one"
    assert "refusing.py" in row.traceback
    assert "in process" in row.traceback
    assert row.first_failure == row.last_failure
    assert row.next_attempt - row.last_failure == PAUSES[0]


@pytest.mark.parametrize("word", ["a\0b", "\ud800", "é" * 1301, None, 7])
def test_a_key_that_cannot_be_stored_needs_no_traceback(word: Any, make_bench: MakeBench) -> None:
    """What is wrong with a key is told in a line, and the traceback would tell nothing."""
    bench = make_bench(Good, Keeper)
    bench.accept("a", word)
    bench.flush()
    [row] = rows(bench)
    assert row.error.startswith("Unstorable: ")
    assert (row.traceback, row.attempts) == ("", 1)
    assert bench.volume("test_keeper") == 2


def test_a_body_is_stored_once_and_exactly(make_bench: MakeBench) -> None:
    """Two plugins that set the same message aside share its body, which survives what PostgreSQL refuses."""
    Picky.trouble, Poisoned.poison = {"bad": RuntimeError()}, {"bad"}
    bench = make_bench(Picky, Poisoned, Keeper)
    body = {"topic": "a.b\0\ud800", "msg": ODD, "timestamp": 30.25, "msg_id": 'odd "id" {\\}, é', "x": [None]}
    bench.intake.accept(body)
    bench.flush()
    [(msg_id, stored)] = bench.execute("SELECT msg_id, body FROM statscache_quarantine_body")
    assert msg_id == body["msg_id"]
    assert repr(json.loads(stored)) == repr(body)
    assert sorted((row.plugin, row.topic) for row in rows(bench)) == [
        ("picky", "a.b\\x00\\ud800"),
        ("poisoned", "a.b\\x00\\ud800"),
    ]
    Picky.trouble = {}
    assert bench.retry("picky") == 1
    assert len(bench.execute("SELECT * FROM statscache_quarantine_body")) == 1
    Poisoned.poison = set()
    assert bench.retry("poisoned") == 1
    assert bench.execute("SELECT * FROM statscache_quarantine_body") == []
    assert [bench.volume(f"test_{n}") for n in ("picky", "poisoned", "keeper")] == [1, 1, 1]


def test_the_message_that_is_retried_is_the_one_that_came(make_bench: MakeBench) -> None:
    """A plugin gets at the retry what it got the first time, to the last bit."""
    seen: list[Any] = []

    class Looker(Picky):
        name = "looker"

        def process(self, message: Message) -> None:
            seen.append(json.loads(json.dumps(message)))
            super().process(message)

    Picky.trouble = {"bad": RuntimeError()}
    bench = make_bench(Looker)
    bench.intake.accept({"topic": "a", "msg": ODD, "timestamp": 30.25, "msg_id": "x"})
    bench.flush()
    assert bench.retry("looker") == 0
    assert len(seen) == 2
    assert repr(seen[0]) == repr(seen[1])


def test_retries_grow_apart_and_end(make_bench: MakeBench) -> None:
    """After each failure the pause is longer; after the last it is tried only by hand."""
    Picky.trouble = {"bad": RuntimeError("no")}
    bench = make_bench(Picky)
    bench.accept("bad", "good")
    bench.flush()
    [first] = rows(bench)
    pauses = [first.next_attempt - first.last_failure]
    for attempts in range(2, len(PAUSES) + 2):
        bench.keep_up()
        assert rows(bench)[0].attempts == attempts - 1, "not before its time"
        make_due(bench)
        bench.keep_up()
        [row] = rows(bench)
        assert (row.attempts, row.first_failure) == (attempts, first.first_failure)
        assert row.last_failure > first.last_failure
        pauses.append(row.next_attempt and row.next_attempt - row.last_failure)
    assert pauses == [*PAUSES, None]
    assert list(PAUSES) == sorted(PAUSES)
    make_due(bench)
    bench.keep_up()
    assert rows(bench)[0].attempts == len(PAUSES) + 1
    assert bench.retry("picky") == 0
    Picky.trouble = {}
    assert bench.retry("picky") == 1
    assert (rows(bench), words(bench, "test_picky")) == ([], {"bad": 1, "good": 1})


@pytest.mark.parametrize("kind", [Poisoned, Stateful])
def test_a_retry_that_dies_counts_nothing_and_loses_nothing(
    kind: type[Any], make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taking a message out of the quarantine and counting it are one transaction."""
    kind.poison = {"bad"}
    bench = make_bench(kind, Other)
    bench.accept("bad", "good")
    bench.flush()
    before = rows(bench)

    kind.poison = set()
    runner = bench.daemon.writer._runners[kind.name]
    update = runner.update

    def die(session: Any, taken: Any) -> None:
        update(session, taken)
        session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with monkeypatch.context() as patch:
        patch.setattr(runner, "update", die)
        with pytest.raises(OperationalError):
            bench.retry(kind.name)
    assert rows(bench) == before
    assert words(bench, f"test_{kind.name}") == {"good": 1}
    assert bench.retry(kind.name) == 1
    assert words(bench, f"test_{kind.name}") == {"bad": 1, "good": 1}
    bench.accept("good")
    bench.flush()
    assert words(bench, f"test_{kind.name}") == {"bad": 1, "good": 2}


def test_a_redelivery_of_what_is_in_the_quarantine_changes_nothing(make_bench: MakeBench) -> None:
    """The quarantine answers for the message; when it comes again it counts neither here nor there."""
    Picky.trouble = {"bad": RuntimeError("no")}
    bench = make_bench(Good, Picky)
    for _ in range(3):
        bench.send("same", "bad")
        bench.flush()
    assert [row.attempts for row in rows(bench)] == [1]
    Picky.trouble = {}
    bench.send("same", "bad")
    bench.flush()
    assert bench.retry("picky") == 1
    bench.send("same", "bad")
    bench.flush()
    assert words(bench, "test_picky") == words(bench, "test_good") == {"bad": 1}


def test_the_parts_of_an_umbrella_are_set_aside_each_by_itself(daemon: Daemon) -> None:
    """A message that one part of releng cannot keep is in the quarantine for that part, by its own name."""
    topic = "org.fedoraproject.prod.compose.branched.complete"
    for msg_id, arch in (("bad", "a\0"), ("good", "arm")):
        daemon.intake.accept({"topic": topic, "msg": {"arch": arch}, "timestamp": 30, "msg_id": msg_id})
    daemon.flusher.flush()
    with daemon.engine.connect() as connection:
        found = connection.execute(text("SELECT plugin, msg_id FROM statscache_quarantine")).all()
        volume = connection.scalar(text("SELECT sum(volume) FROM data_volume_1m"))
        kept = connection.execute(text("SELECT category FROM data_releng_dashboard")).all()
    assert found == [("release-engineering-event-logs/compose", "bad")]
    assert (volume, kept) == (2, [("compose-branched_arm",)])


def test_only_so_many_tracebacks_are_kept(make_bench: MakeBench) -> None:
    """A flood of refused messages keeps its errors, but not twenty kilobytes for each."""
    Picky.trouble = {"bad": RuntimeError("no")}
    bench = make_bench(Picky)
    bench.accept(*["bad"] * 300, "good")
    bench.flush()
    found = rows(bench)
    assert 0 < sum(bool(row.traceback) for row in found) <= 100
    assert all(row.error == "RuntimeError: no" for row in found)


def test_texts_of_any_length_fit_the_quarantine(make_bench: MakeBench) -> None:
    """A huge topic or error is cut short; the body is kept whole."""
    Picky.trouble = {"bad": RuntimeError("x" * 1_000_000)}
    bench = make_bench(Picky)
    topic = "a." * 500_000
    bench.intake.accept({"topic": topic, "msg": {"word": "bad"}, "timestamp": 30, "msg_id": "x"})
    bench.flush()
    [row] = rows(bench)
    assert (len(row.topic), len(row.error), len(row.traceback)) == (1000, 2000, 20000)
    assert json.loads(bench.execute("SELECT body FROM statscache_quarantine_body")[0][0])["topic"] == topic
    assert timedelta(0) < row.next_attempt - row.last_failure
