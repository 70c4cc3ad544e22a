"""What a plugin can do to the flush's connection or its thread, and who is none the worse."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine, event, text

from tests.support.bench import Bad, Bench

PARENT = (
    "CREATE TABLE test_parent (word text PRIMARY KEY); ALTER TABLE test_bad ADD CONSTRAINT test_parent_key "
    "FOREIGN KEY (word) REFERENCES test_parent DEFERRABLE INITIALLY DEFERRED"
)


def ask_a_server_that_is_down(session: Any) -> None:
    """Fail as a plugin does that has a second database, which is away."""
    create_engine("postgresql://127.0.0.1:9/x").connect()


def say(statement: str) -> Callable[[Any], object]:
    """Return what executes a statement."""
    return lambda session: session.execute(text(statement))


@pytest.mark.parametrize(
    "trouble",
    [
        ask_a_server_that_is_down,
        say("/* x */ COMMIT"),
        say("-- x\nROLLBACK"),
        say("SELECT 1; COMMIT"),
        say("ABORT"),
        say("SET TRANSACTION READ ONLY; DELETE FROM test_bad"),
    ],
)
def test_what_no_flush_can_go_on_with_is_the_plugins_own_trouble(
    trouble: Callable[[Any], object], bench: Bench
) -> None:
    """The others count, and the plugin's messages count once it works again."""
    Bad.trouble = staticmethod(trouble)
    bench.accept("x", "y")
    for _ in range(7):
        try:
            bench.flush()
        except Exception:
            continue
        break
    Bad.trouble = staticmethod(lambda session: None)
    assert bench.volumes() == [2, 2, 2, 0]
    assert bench.retry("bad") == 2
    assert bench.volumes() == [2, 2, 2, 2]


def test_a_constraint_that_is_deferred_to_the_commit_is_checked_before(bench: Bench) -> None:
    """A row that the commit would refuse is quarantined, and the transaction commits."""
    with bench.engine.begin() as connection:
        connection.execute(text(PARENT))
        connection.execute(text("INSERT INTO test_parent VALUES ('known')"))
    bench.accept("known", "unknown")
    bench.flush()
    assert bench.volumes() == [2, 2, 2, 1]
    assert bench.quarantined("bad") == ["2"]


@pytest.mark.parametrize(
    "statement",
    [
        "SET LOCAL search_path = nowhere",
        "SET search_path = nowhere",
        "/* x */ SET search_path TO nowhere",
        "SELECT set_config('search_path', 'nowhere', false)",
        "DO $$ BEGIN SET search_path = nowhere; END $$",
        "SET LOCAL ROLE pg_monitor",
        "SET ROLE pg_monitor",
        "SET SESSION AUTHORIZATION pg_monitor",
        "SET LOCAL DateStyle = German; SET TIME ZONE 'Asia/Tokyo'",
    ],
)
def test_what_a_plugin_sets_is_gone_after_it(statement: str, bench: Bench) -> None:
    """The plugins after it, and the flush itself, have the settings that they had."""
    Bad.trouble = staticmethod(say(statement))
    bench.accept("x")
    bench.flush()
    bench.accept("y")
    bench.flush()
    assert bench.volumes()[:3] == [2, 2, 2]
    with bench.engine.connect() as connection:
        shown = {name: connection.scalar(text(f"SHOW {name}")) for name in ("role", "TimeZone", "DateStyle")}
        assert shown == {"role": "none", "TimeZone": "UTC", "DateStyle": "ISO, MDY"}
        own = "SELECT name FROM pg_settings WHERE source = 'session' AND setting ~ 'nowhere|pg_monitor|Tokyo'"
        connection.rollback()
        assert connection.scalars(text(own)).all() == []


def test_what_a_session_has_of_its_own_stays(bench: Bench) -> None:
    """A pooler's `connect_query` can have set something, which plugins that set nothing leave alone."""

    @event.listens_for(bench.engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET work_mem = '5MB'")
        connection.commit()

    bench.engine.dispose()
    Bad.trouble = staticmethod(say("SET LOCAL work_mem = '1MB'"))
    bench.accept("x")
    bench.flush()
    assert bench.volumes() == [1, 1, 1, 1]
    assert bench.execute("SHOW work_mem") == [("5MB",)]


def test_a_temporary_table_of_a_plugin_hides_no_real_one(bench: Bench) -> None:
    """What it is named like goes on being counted."""
    Bad.trouble = staticmethod(
        say("CREATE TEMPORARY TABLE IF NOT EXISTS test_other (LIKE test_other INCLUDING ALL)")
    )
    for word in "xyz":
        bench.accept(word)
        bench.flush()
    assert bench.volumes() == [3, 3, 3, 3]


def test_an_interrupt_that_a_plugin_raises_does_not_end_the_flushs_thread(bench: Bench) -> None:
    """Only the main thread's is somebody's Ctrl-C."""

    def interrupt(session: Any) -> None:
        raise KeyboardInterrupt

    Bad.trouble = staticmethod(interrupt)
    bench.daemon.start()
    for word in ("x", "y"):
        bench.accept(word)
        bench.daemon.wake.hurry()
        time.sleep(1)
    assert bench.volumes() == [2, 2, 2, 0]
    assert bench.daemon.finish(5)
