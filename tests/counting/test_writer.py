"""The transaction in which messages become rows: whatever fails in it, nothing is lost and nothing counts twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.support.bench import Bad, Bench, fail

TROUBLES: dict[str, Callable[[Any], object]] = {
    "raises": fail,
    "commits and raises": lambda session: (session.commit(), fail(session)),
    "rolls back and raises": lambda session: (session.rollback(), fail(session)),
    "closes its session and raises": lambda session: (session.close(), fail(session)),
    "breaks a statement": lambda session: session.execute(text("SELECT 1 / 0")),
    "asks for a table that is not there": lambda session: session.execute(
        text("SELECT * FROM no_such_table")
    ),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_a_failing_update_costs_the_others_nothing_and_is_tried_again(name: str, bench: Bench) -> None:
    """The others commit; the plugin's messages are in the quarantine, and count once when it works again."""
    Bad.trouble = staticmethod(TROUBLES[name])
    bench.accept("x", "y")
    bench.flush()
    assert bench.volumes() == [2, 2, 2, 0]
    assert bench.quarantined("bad") == ["1", "2"]
    assert bench.retry("bad") == 0
    Bad.trouble = staticmethod(lambda session: None)
    bench.accept("z")
    bench.flush()
    assert bench.volumes() == [3, 3, 3, 1]
    assert bench.retry("bad") == 2
    assert bench.volumes() == [3, 3, 3, 3]
    assert bench.quarantined("bad") == []


@pytest.mark.parametrize("name", ["swallows an error", "commits", "rolls back", "closes"])
def test_an_update_that_leaves_its_session_in_disorder_costs_the_others_nothing(
    name: str, bench: Bench
) -> None:
    """Whatever state a plugin leaves its session in, the others' counts are committed."""

    def swallow(session: Any) -> None:
        try:
            session.execute(text("SELECT * FROM no_such_table"))
        except Exception:
            return

    leave = {
        "swallows an error": swallow,
        "commits": lambda session: session.commit(),
        "rolls back": lambda session: session.rollback(),
        "closes": lambda session: session.close(),
    }
    Bad.trouble = staticmethod(leave[name])
    bench.accept("x")
    bench.flush()
    assert [bench.volume(f"test_{n}") for n in ("good", "keeper", "other")] == [1, 1, 1]


def test_a_failing_transaction_keeps_everything(bench: Bench, engine: Engine) -> None:
    """A connection that is cut within the flush costs nothing: all counts once afterwards."""

    def cut(session: Any) -> None:
        pid = session.scalar(text("SELECT pg_backend_pid()"))
        with engine.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        session.execute(text("SELECT 1"))

    Bad.trouble = staticmethod(cut)
    for words in (["x"], ["y", "z"]):
        bench.accept(*words)
        with pytest.raises(Exception, match=r"terminat|closed"):
            bench.flush()
        assert bench.volumes() == [0, 0, 0, 0]
    Bad.trouble = staticmethod(lambda session: None)
    bench.flush()
    assert bench.volumes() == [3, 3, 3, 3]
    assert bench.quarantined("bad") == []


@pytest.mark.parametrize("word", ["a\0b", "\ud800", "é" * 1301, "x" * 100_000, None, 7, ["x"], {"x": 1}])
def test_a_key_that_cannot_be_stored_is_set_aside_for_that_plugin_alone(word: Any, bench: Bench) -> None:
    """A message with such a key counts where the key plays no part, and the ones around it count everywhere."""
    bench.accept("before", word, "after")
    bench.flush()
    assert [bench.volume(f"test_{n}") for n in ("good", "other", "keeper")] == [2, 2, 3]
    assert bench.quarantined("good") == bench.quarantined("other") == ["2"]
    assert bench.quarantined("keeper") == []
