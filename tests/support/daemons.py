"""A daemon without a bus, in this process, that accepts and dies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from statscache.daemon import Daemon


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
