"""An hour of history in an archive, and who is to have it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.support.place import ALL_ON, Place
from tests.system.datagrepper import Archive

START = 1_700_000_000
SINCE, UNTIL = "2023-11-14T22:13:20", "2023-11-14T23:13:20"


def body(number: int, second: float) -> dict[str, Any]:
    topic = "org.fedoraproject.prod.bodhi.update.comment"
    return {"topic": topic, "msg": {"n": number}, "msg_id": f"2023-{number}", "timestamp": START + second}


@pytest.fixture
def archive() -> Iterator[Archive]:
    """An archive with two messages a second for an hour."""
    archive = Archive([body(n, n / 2) for n in range(7200)])
    yield archive
    archive.close()


@pytest.fixture
def history(there: Place, archive: Archive) -> Place:
    """A place whose settings name the archive, and want the hour."""
    there.configure(
        {
            "statscache.datagrepper.endpoint": archive.url,
            "statscache.consumer.epoch": START,
            "statscache.plugins.enabled": ALL_ON,
        }
    )
    return there


def volume(engine: Engine, table: str = "data_volume_1m") -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text(f"SELECT coalesce(sum(volume), 0) FROM {table}")) or 0)


def has_counted(engine: Engine) -> bool:
    """Return whether any of it was counted, also before there are tables."""
    with engine.connect() as connection:
        there = connection.scalar(text("SELECT to_regclass('data_volume_1m') IS NOT NULL"))
    return bool(there) and volume(engine) > 0
