"""A real hub fills what was sent while it was away."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, text

from tests.support.hub import Bus, Hub, wait_for
from tests.support.tables import NO_REACH
from tests.system.datagrepper import Archive

START = 1_700_000_000


def body(number: int, second: float, word: str = "x") -> dict[str, Any]:
    return {"topic": "a.b.c.d", "msg": {"word": word}, "timestamp": START + second, "msg_id": f"m{number}"}


def test_a_hub_fills_what_was_sent_while_it_was_away(
    start_hub: Callable[..., Hub], engine: Engine, bus: Bus
) -> None:
    """What a daemon misses while it is down, it counts when it is back, and all of the time is complete."""
    now = math.floor(time.time())
    bodies = [{**body(n, 0), "timestamp": now - 3000 + n + 0.5} for n in range(3000)]
    archive = Archive(bodies)
    settings = {
        "statscache.datagrepper.endpoint": archive.url,
        "statscache.coverage.lateness": 1,
        "statscache.consumer.epoch": now - 3000,
    }
    try:
        hub = start_hub(settings)
        hub.wait_until_running()
        live = [{**body(5000 + n, 0), "timestamp": time.time()} for n in range(50)]
        bus.send_all(live)
        wait_for("the live messages", lambda: volume(engine) >= 50)
        archive.add(live)
        wait_for("all to be counted", lambda: volume(engine) == 3050)
        wait_for("the hour to be complete", lambda: is_complete(engine, now - 3000, now))
        assert hub.end()[0] == 0
    finally:
        archive.close()
    assert "filling" in hub.log


def volume(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT coalesce(sum(volume), 0) FROM data_volume_1s")) or 0)


def is_complete(engine: Engine, start: int, stop: int) -> bool:
    query = f"""
        SELECT bool_and(complete @> tstzrange(to_timestamp(:start), to_timestamp(:stop)))
        FROM statscache_freshness WHERE {NO_REACH}
    """
    with engine.connect() as connection:
        return bool(connection.scalar(text(query), {"start": start, "stop": stop}))
