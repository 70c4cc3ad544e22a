"""A plugin that joins a daemon which has run for a month."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import takewhile
from typing import Any

from sqlalchemy import Engine, text

from statscache.demo.traffic import traffic
from statscache.messages.message import Message
from statscache.messages.naming import Meta
from tests.support.hub import Bus, Hub, wait_for
from tests.support.place import ALL_ON, Place, lines
from tests.support.reference import Reference, differences
from tests.support.tables import COMPLETE_TABLES, NO_REACH, TABLES, Cells, tables_in
from tests.system.datagrepper import Archive

MONTH = 30 * 86_400
#: Some of each kind: counts in windows of a second and of a day, with a key and without, and latest states.
LATE = ["volume_by_user", "volume_by_user_coarse", "volume_by_category", "pagure", "releng"]
LATE_TABLES = (
    "data_volume_by_user_",
    "data_volume_by_category_",
    "data_pagure_contribution_",
    "data_releng_dashboard",
)


def test_it_ends_equal_to_one_that_was_there_from_the_start(
    there: Place, engine: Engine, start_hub: Callable[..., Hub], bus: Bus
) -> None:
    """Its tables are what they would be, of all the month; no other table changes by a cell."""
    start = math.floor(time.time()) - MONTH
    sent = [
        {**body, "timestamp": math.floor(body["timestamp"])}
        for body in takewhile(lambda body: body["timestamp"] < start + MONTH - 10, traffic(7, start, 0.004))
    ]
    meta = Meta({})
    reference = Reference(
        lambda body: meta.usernames(Message(body)), lambda body: meta.packages(Message(body))
    )
    expected = reference.tables((body["msg_id"], body) for body in sent)
    before = run_for_a_month(there, engine, sent, start)
    archive = Archive(sent)
    try:
        hub = start_hub(
            {
                "statscache.plugins.enabled": ALL_ON,
                "statscache.datagrepper.endpoint": archive.url,
                "statscache.coverage.lateness": 1,
                "statscache.consumer.epoch": start,
            }
        )
        hub.wait_until_running()
        wait_for("the month to be complete", lambda: is_complete(engine, start, start + MONTH), 60)
        hub.end()
    finally:
        archive.close()
    after = tables_in(engine)
    assert differences(after, expected) == {}
    assert sum(map(len, expected.values())) > 20_000
    changed = {table for table, cells in after.items() if cells != before[table]}
    assert changed == {table for table in TABLES if table.startswith(LATE_TABLES)}


def run_for_a_month(there: Place, engine: Engine, sent: list[dict[str, Any]], start: int) -> Cells:
    """Leave what a daemon without the late plugins has after a month, and return its tables."""
    there.configure(
        {
            "statscache.plugins.enabled": [name for name in ALL_ON if name not in LATE],
            "statscache.plugins.disabled": [name for name in LATE if name not in ALL_ON],
            "statscache.consumer.epoch": start,
        }
    )
    there.write("month.jsonl", lines(*sent))
    there.answer("replay", "month.jsonl", "--covers", instant(start), instant(start + MONTH - 5))
    with engine.begin() as connection:
        connection.execute(text("UPDATE statscache_ledger SET counted_at = timestamp"))
    return tables_in(engine)


def instant(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def is_complete(engine: Engine, start: int, stop: int) -> bool:
    """Whether all tables are complete from the second `start` until just before `stop`."""
    query = f"""
        SELECT count(*) = {COMPLETE_TABLES}
            AND bool_and(complete @> tstzrange(to_timestamp(:start), to_timestamp(:stop)))
        FROM statscache_freshness WHERE {NO_REACH}
    """
    with engine.connect() as connection:
        return bool(connection.scalar(text(query), {"start": start, "stop": stop}))
