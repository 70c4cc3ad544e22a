"""Old rows that are dropped while messages come: by daemons and by commands, which are interrupted at any step.

Messages of time that is not kept come late, are replayed, and come from an archive. What was dropped is to be kept
again, and is dropped again.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from tests.system.datagrepper import Archive
from tests.system.torture.faults import HUB, DatabaseFault, HubFault, crash_in_commit
from tests.system.torture.interrupted import Interrupted, replay_past, sever_at_step
from tests.system.torture.lives import THEN_ABOUT

if TYPE_CHECKING:
    from tests.system.torture.stage import Stage

#: Seconds go as soon as the windows of five or fifteen that they lie in are complete, these with the minute. Minutes
#: go once an archive has brought all of their hour, and some days at once, as no table has longer windows.
KEEP = {"1s": "2s", "5s": "8s", "15s": "8s", "1m": "30d", "volume-by-user-1d": "30d"}
#: How much longer they are kept according to who wants them back.
LONGER = (
    {"1s": "30s", "5s": "60s"},
    {"1s": "9000d", "5s": "9000d", "15s": "9000d", "1m": "9000d", "volume-by-user-1d": "9000d"},
)
#: Of which plugins there is something that is not kept.
WANTED = (
    "SELECT ident FROM statscache_plugin JOIN statscache_not_kept ON table_name = tables[1] ORDER BY ident"
)
#: The steps of daemons that drop.
STEPS = tuple(
    f"{when} {step}"
    for step in ("drop", "look", "note", "delete", "dropping's commit")
    for when in ("before", "after")
)
#: The tables whose rows go only when the next table has their time.
COARSER = {
    **{
        f"data_volume{kind}_1s": f"data_volume{kind}_5s"
        for kind in ("", "_by_topic", "_by_user", "_by_package")
    },
    **{
        f"data_volume{kind}_5s": f"data_volume{kind}_1m"
        for kind in ("", "_by_topic", "_by_user", "_by_package")
    },
    **{
        f"data_volume{kind}_1m": f"data_volume{kind}_1h"
        for kind in ("", "_by_topic", "_by_user", "_by_package")
    },
    "data_volume_by_category_1s": "data_volume_by_category_15s",
    "data_volume_by_category_15s": "data_volume_by_category_1m",
    "data_volume_by_category_1m": "data_volume_by_category_1h",
}
#: Of each table, what is not kept, what is complete, and whether there are rows in what is not kept.
STATE = """
SELECT table_name, coalesce(times, '{}')::text, complete::text, coalesce(times && complete, false)
FROM statscache_freshness LEFT JOIN statscache_not_kept USING (table_name)
"""
#: Whether all that is not kept of a table is complete in another, or not kept there either.
IS_HAD = """
SELECT CAST(:gone AS tstzmultirange) <@ (CAST(:complete AS tstzmultirange) + CAST(:also_gone AS tstzmultirange))
"""
ROWS_IN = "SELECT count(*) FROM {} WHERE CAST(:gone AS tstzmultirange) @> timestamp"


def settings(keep: Any) -> dict[str, Any]:
    """Return the setting, with a ledger that reaches back to all that the archive has."""
    return {"statscache.keep": keep, "statscache.ledger.keep": 10_000}


def prune(stage: Stage, chance: random.Random) -> str:
    """Drop what may be dropped."""
    return Interrupted(stage, "pruning").run(chance, "prune")[0]


def want_back(stage: Stage, chance: random.Random) -> str:
    """Let what is not kept of some table be a gap again, which daemons drop again."""
    with stage.admin.connect() as connection:
        wanted = list(connection.scalars(text(WANTED)))
    commands = Interrupted(stage, "restoring", settings(chance.choice(LONGER)))
    return commands.run(chance, "prune", "--restore", chance.choice(wanted or ["volume-1s"]))[0]


def fill_past(stage: Stage, chance: random.Random) -> str:
    """Fill hours of years ago from an archive."""
    archive = Archive(stage.past, exact=True)
    since, until = (datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%dT%H:%M") for end in THEN_ABOUT)
    try:
        span = "--since", since, "--until", until
        return Interrupted(stage, "filling").run(chance, "backfill", *span, "--from", archive.url)[0]
    finally:
        archive.close()


def conclude(stage: Stage) -> None:
    """Drop once more, now that nobody is in the way."""
    stage.command("prune")


def wrong(stage: Stage) -> Iterable[str]:
    """Yield what was dropped and is needed, and what is called complete or is there though it is not kept."""
    with stage.admin.connect() as connection:
        state = {table: its for table, *its in connection.execute(text(STATE))}
        for table, (gone, _, is_called_complete) in state.items():
            if is_called_complete:
                yield f"{table} calls complete what it does not keep"
            if gone != "{}" and connection.scalar(text(ROWS_IN.format(table)), {"gone": gone}):
                yield f"{table} has rows in what it does not keep"
        for table, other in COARSER.items():
            given = {"gone": state[table][0], "complete": state[other][1], "also_gone": state[other][0]}
            if not connection.scalar(text(IS_HAD), given):
                yield f"{table} has dropped what {other} does not have: {given}"


COMMANDS: dict[DatabaseFault, int] = {
    prune: 2,
    want_back: 4,
    replay_past: 1,
    fill_past: 3,
    crash_in_commit: 1,
}
DAEMONS: dict[HubFault, int] = {**HUB, sever_at_step: 3}
