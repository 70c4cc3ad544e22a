"""What dead daemons leave behind, as the next one meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from statscache.daemon import Daemon, open_daemon
from statscache.spool.spool import Spool


def message(number: int) -> dict[str, Any]:
    """Return an ordinary message."""
    topic = "org.fedoraproject.prod.bodhi.update.comment"
    return {"topic": topic, "msg": {}, "msg_id": f"2023-{number}", "timestamp": 1_700_000_000 + number}


def accept(daemon: Daemon, *numbers: int) -> None:
    """Let a daemon accept messages."""
    assert all(daemon.intake.accept(message(number)) for number in numbers)


def die(daemon: Daemon) -> None:
    """Leave a daemon as SIGKILL would: its lock is free and its files are as they are."""
    daemon.spool.close()
    daemon.engine.dispose()


def counted(engine: Engine) -> int:
    """Return how many messages are counted."""
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT coalesce(sum(volume), 0) FROM data_volume_1m")) or 0)


def spools(config: dict[str, Any]) -> list[Path]:
    """Return the directories of spools that are there."""
    return list(Path(config["statscache.spool.directory"]).glob("*/*"))


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
