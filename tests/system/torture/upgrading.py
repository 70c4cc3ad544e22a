"""Daemons of the next version come one after the other, with revisions of the suite's own, and tables are upgraded.

A daemon dies at any step of its start, as does `statscache upgrade`, which is run again.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy import text

from tests.support.hub import wait_for
from tests.system.torture import faults
from tests.system.torture.faults import (
    KILL,
    OTHER,
    DatabaseFault,
    HubFault,
    crash_in_commit,
    kill,
    kill_at_step,
    terminate,
)
from tests.system.torture.fleet import Slot
from tests.system.torture.interrupted import SEVERED, Interrupted
from tests.system.torture.revisions import APPLIED

if TYPE_CHECKING:
    from tests.system.torture.stage import Stage

#: The steps of a start that upgrades.
AT_START = [
    f"{when} {step}" for step in ("tables", "apply", "upgrade's commit") for when in ("before", "after")
]
AT_A_START = "SIGKILLs in starts that upgrade"
#: How long in seconds a daemon may take to come to such a step.
STOPS_S = 10.0
#: For how many seconds old daemons that are dead are waited for in the end.
PATIENCE_S = 120.0
REVISIONS = "SELECT version_num FROM statscache_schema ORDER BY 1"
GONE = "DELETE FROM statscache_spool WHERE id <> ALL (:left)"
#: What must be of no row, of the tables that are upgraded, and what is looked for.
LEFT = {
    "rows of the ledger lack their length": (
        "SELECT count(*) FROM statscache_ledger WHERE id_length IS DISTINCT FROM length(msg_id)"
    ),
    "indexes are not valid": "SELECT count(*) FROM pg_index WHERE NOT (indisvalid AND indisready)",
    "columns may be null": (
        "SELECT count(*) FROM pg_attribute WHERE attrelid = 'statscache_ledger'::regclass AND attname = 'id_length' "
        "AND NOT attnotnull"
    ),
    "constraints are left": "SELECT count(*) FROM pg_constraint WHERE conname = 'torture_has_length'",
}


def renew(stage: Stage, slot: Slot, chance: random.Random) -> str:
    """Let the next version run in a place; its first start may be killed at a step, or lose the database there."""
    chance.choice([slot.kill, slot.end])()
    slot.learn()
    fate = chance.choice([None, signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP])
    if fate is None:
        slot.start()
        return OTHER
    slot.start({"step": chance.choice(AT_START), "n": chance.randint(1, 2), "signal": int(fate)})
    stopped = _stops(slot)
    if stopped and slot.frozen:
        faults.sever(stage, chance)
        slot.thaw()
        return SEVERED
    by_itself = stopped and slot.hub is not None and slot.hub.process.returncode == -signal.SIGKILL
    slot.kill()
    slot.start()
    return AT_A_START if by_itself else KILL


def _stops(slot: Slot) -> bool:
    """Wait for a while until a daemon has stopped or killed itself, and return whether it has."""
    deadline = time.monotonic() + STOPS_S
    while time.monotonic() < deadline:
        if slot.frozen or slot.ended:
            return True
        time.sleep(0.05)
    return False


def upgrade(stage: Stage, chance: random.Random) -> str:
    """Upgrade the tables, and complain if that has taken away what a daemon needs that runs all the while."""
    before = {slot.name: slot.hub for slot in stage.slots if slot.needs_old_form}
    known = _applied(stage)
    kind, _ = Interrupted(stage, "upgrading").run(chance, "upgrade")
    if "c9101" in set(_applied(stage)) - set(known):
        still = [
            slot.name for slot in stage.slots if slot.needs_old_form and slot.hub is before.get(slot.name)
        ]
        stage.complaints += [f"{name} runs, and what it needs was taken away" for name in still]
    return kind


def _applied(stage: Stage) -> list[str]:
    with stage.admin.connect() as connection:
        return list(connection.scalars(text(REVISIONS)))


def conclude(stage: Stage) -> None:
    """Let the next version run everywhere, and upgrade what is left."""
    for slot in stage.slots:
        if not slot.has_learned:
            slot.end()
            slot.learn()
            slot.start()
    for slot in stage.slots:
        slot.run()

    def finish() -> bool:
        _delete_rows_of_the_dead(stage)
        Interrupted(stage, "upgrading").finish("upgrade")
        return _applied(stage) == APPLIED

    wait_for("all to be upgraded", finish, PATIENCE_S)
    stage.recover()


def _delete_rows_of_the_dead(stage: Stage) -> None:
    """Delete by hand the rows of spools that are gone, as somebody does who does not wait for ten minutes.

    They stay where whoever has taken a spool over was killed between removing it and deleting its row.
    """
    left = [path.name for path in stage.spools]
    with stage.admin.begin() as connection:
        connection.execute(text(GONE), {"left": left})


def wrong(stage: Stage) -> Iterator[str]:
    """Yield what is not as the revisions make it."""
    if _applied(stage) != APPLIED:
        yield f"the revisions are {_applied(stage)}"
    with stage.admin.connect() as connection:
        found = {what: connection.scalar(text(query)) for what, query in LEFT.items()}
    yield from (f"{number} {what}" for what, number in found.items() if number)


HUB: dict[HubFault, int] = {renew: 2, kill: 3, kill_at_step: 3, terminate: 1}
COMMANDS: dict[DatabaseFault, int] = {upgrade: 6, crash_in_commit: 1}
