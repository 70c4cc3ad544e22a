"""What dead daemons leave behind, as the next one meets it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from statscache.daemon import Daemon, open_daemon
from statscache.spool.segment import NotSpooled
from statscache.spool.spool import Spool
from tests.support.daemons import accept, counted, die, message, spools


def test_what_is_accepted_while_a_spool_is_adopted_is_written_at_the_end(
    config: dict[str, Any], engine: Engine
) -> None:
    """A daemon that died before its first message leaves an empty spool; the next one ends with nothing unwritten."""
    die(open_daemon(config))
    daemon = open_daemon(config)
    accept(daemon, 1)
    assert daemon.finish(5)
    assert counted(engine) == 1
    assert spools(config) == []


def test_a_loss_is_recorded_once_though_the_daemon_dies_before_it_notes_that(
    config: dict[str, Any], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a commit has written of it is not written again, and what is lost after that is."""
    daemon = open_daemon({**config, "statscache.spool.limit": 1})
    lose(daemon, 3)
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "forget_loss", lambda *_: None)
        assert daemon.flusher.step() is not None
    lose(daemon, 2)
    die(daemon)
    assert open_daemon(config).finish(5)
    with engine.connect() as connection:
        assert list(connection.scalars(text("SELECT messages FROM statscache_gap ORDER BY id"))) == [3, 2]


def test_a_lost_message_ends_what_was_heard_in_full(config: dict[str, Any]) -> None:
    """The next span of the bus's time that the daemon can claim begins after the message's second."""
    daemon = open_daemon({**config, "statscache.spool.limit": 1})
    daemon.watermark.expect(["tcp://publisher"])
    daemon.watermark.connected("tcp://publisher")
    assert daemon.watermark.start is not None
    second = daemon.watermark.start + 100
    assert not daemon.intake.accept({**message(1), "timestamp": second + 0.5})
    assert daemon.watermark.start == second + 1
    assert daemon.finish(5)


def lose(daemon: Daemon, count: int) -> None:
    """Send messages to a daemon that has no room for them."""
    assert not any(daemon.intake.accept(message(number)) for number in range(count))


def test_a_loss_that_no_flush_has_recorded_yet_is_recorded_at_the_end(
    config: dict[str, Any], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though all messages are written, what was lost while only spooling is in statscache_gap."""
    daemon = open_daemon(config)
    accept(daemon, 1)
    daemon.flusher.flush()
    daemon.intake.halt()

    def full(record: bytes) -> int:
        raise NotSpooled("as the test says")

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
