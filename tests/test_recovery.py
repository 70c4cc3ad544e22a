"""What dead daemons leave behind, as the next one meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from statscache.daemon import Daemon, open_daemon


def message(number: int) -> dict[str, Any]:
    """Return an ordinary message."""
    topic = "org.fedoraproject.prod.bodhi.update.comment"
    return {"topic": topic, "msg": {}, "msg_id": f"2023-{number}", "timestamp": 1_700_000_000 + number}


def accept(daemon: Daemon, *numbers: int) -> None:
    """Let a daemon accept messages."""
    assert all(daemon.intake.accept(message(number)) for number in numbers)


def die(daemon: Daemon) -> None:
    """Leave a daemon as SIGKILL would: its lock is free and its files are as they are."""
    daemon._spool.close()
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
