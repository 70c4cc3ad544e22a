"""What a plugin can do to the flush's connection, its thread or the directory of spools, and who is none the worse."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from statscache.daemon import Daemon, open_daemon
from statscache.spool.spool import SpoolFull
from tests.bench import Bad, Bench
from tests.test_recovery import accept, counted, die, spools

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
    "statement", ["SET LOCAL search_path = nowhere", "SET search_path = nowhere", "SET LOCAL ROLE pg_monitor"]
)
def test_what_a_plugin_sets_is_gone_after_it(statement: str, bench: Bench) -> None:
    """The plugins after it, and the flush itself, have the settings that they had."""
    Bad.trouble = staticmethod(say(statement))
    bench.accept("x")
    bench.flush()
    bench.accept("y")
    bench.flush()
    assert bench.volumes()[:3] == [2, 2, 2]


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


def test_a_loss_that_no_flush_has_recorded_yet_is_recorded_at_the_end(
    config: dict[str, Any], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though all messages are written, what was lost while only spooling is in statscache_gap."""
    daemon = open_daemon(config)
    accept(daemon, 1)
    daemon.flusher.flush()
    daemon.intake.halt()

    def full(record: bytes) -> int:
        raise SpoolFull("as the test says")

    monkeypatch.setattr(daemon.spool, "append", full)
    assert not daemon.intake.accept({"topic": "a.b.c.d", "msg": {}, "timestamp": 5})
    monkeypatch.undo()
    assert daemon.finish(5)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT messages FROM statscache_gap")) == 1


@pytest.mark.parametrize("odd", ["directory", "name"])
def test_odd_things_in_a_dead_spool_stop_nobody(odd: str, config: dict[str, Any], engine: Engine) -> None:
    """A segment that cannot be read costs its messages, which is logged, and a file of another name nothing."""
    dead = open_daemon(config)
    accept(dead, 1)
    die(dead)
    [spool] = spools(config)
    [segment] = spool.glob("*.spool")
    if odd == "directory":
        segment.unlink()
        segment.mkdir()
    else:
        (spool / "copy.spool").write_bytes(segment.read_bytes())
    daemon = open_daemon(config)
    accept(daemon, 2)
    assert daemon.finish(5)
    assert counted(engine) == (1 if odd == "directory" else 2)
    assert not os.listdir(Path(config["statscache.spool.directory"]) / spool.parent.name)


def test_a_retry_of_large_messages_takes_some_at_a_time(daemon: Daemon, engine: Engine) -> None:
    """So many bytes at most are read at once, and what is left is due all the same."""
    topic = "io.pagure.prod.pagure.issue.new"
    for number in range(12):
        msg = {"agent": "a\0b", "text": "x" * (4 << 20)}
        body = {"topic": topic, "msg": msg, "msg_id": f"2023-{number}", "timestamp": 1}
        assert daemon.intake.accept(body)
    daemon.flusher.flush()
    with engine.begin() as connection:
        connection.execute(text("UPDATE statscache_quarantine SET next_attempt = now()"))
    daemon.upkeep.keep_up()
    for _ in daemon.writer.plugins:
        daemon.upkeep.use_spare_time()
    with engine.connect() as connection:
        tried = "SELECT count(*) FROM statscache_quarantine WHERE plugin LIKE '%by-user-1d' AND attempts = 2"
        assert 0 < (connection.scalar(text(tried)) or 0) < 12
