"""Failovers to a standby that lacks the last commits, with what daemons may meet around them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.system.torture.fleet import Slot

if TYPE_CHECKING:
    from tests.system.torture.stage import Stage

PROMOTION, HARMLESS = "promotions that lost commits", "promotions that lost none"
COUNTED = "SELECT count(*) FROM statscache_ledger"
#: How long in seconds commits are lost, the primary is dead before its address leads elsewhere, and all is quiet
#: afterwards.
LOSING, DEAD, QUIET = (0.5, 4.0), (0.0, 2.0), (0.5, 5.0)
Around = Callable[[Slot, Callable[[], None], random.Random], None]


def fail_over(stage: Stage, chance: random.Random) -> str:
    """Promote a standby that lacks the last commits, while the primary is killed under load."""
    cluster = stage.ways.cluster
    assert cluster is not None
    for slot in stage.slots:
        slot.run()
    cluster.prepare()
    time.sleep(chance.uniform(0, 1))
    cluster.detach()
    time.sleep(chance.uniform(*LOSING))
    losses = []

    def promote() -> None:
        before = cluster.scalar(COUNTED)
        cluster.fail_over()
        losses.append(before - cluster.scalar(COUNTED))
        time.sleep(chance.uniform(*DEAD))
        cluster.move()

    around = chance.choice(AROUND)
    around(chance.choice(stage.slots), promote, chance)
    stage.log(f"{around.__name__}: the new primary lacks {losses[0]} messages that were counted")
    time.sleep(chance.uniform(*QUIET))
    return PROMOTION if losses[0] else HARMLESS


def leave_alone(slot: Slot, promote: Callable[[], None], chance: random.Random) -> None:
    """Let the daemon run through it."""
    promote()


def kill_before(slot: Slot, promote: Callable[[], None], chance: random.Random) -> None:
    """Kill the daemon, start the next one, and fail over while it starts."""
    slot.kill()
    slot.start()
    time.sleep(chance.uniform(0, 4))
    promote()


def kill_meanwhile(slot: Slot, promote: Callable[[], None], chance: random.Random) -> None:
    """Kill the daemon before, and start the next one when all is over."""
    slot.kill()
    promote()
    slot.start()


def kill_after(slot: Slot, promote: Callable[[], None], chance: random.Random) -> None:
    """Kill the daemon soon after it has met the other server."""
    promote()
    time.sleep(chance.uniform(0, 3))
    slot.kill()
    slot.start()


def restart_before(slot: Slot, promote: Callable[[], None], chance: random.Random) -> None:
    """Stop the daemon cleanly, let another one run in its place, and then fail over."""
    slot.end()
    slot.start()
    slot.run()
    time.sleep(chance.uniform(0, 2))
    promote()


def restart_across(slot: Slot, promote: Callable[[], None], chance: random.Random) -> None:
    """Stop the daemon cleanly before, and start another one when all is over."""
    slot.end()
    promote()
    slot.start()


AROUND: tuple[Around, ...] = (
    leave_alone,
    leave_alone,
    kill_before,
    kill_meanwhile,
    kill_after,
    restart_before,
    restart_across,
)
