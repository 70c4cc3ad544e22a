"""What is done to hubs and to their database. Each fault ends with the thing it broke working again.

A fault returns what it counts as, None if it did not come about.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.support.gate import Pair
from tests.support.proxy import Proxy
from tests.system.torture.fleet import Slot
from tests.system.torture.launcher import STEPS

if TYPE_CHECKING:
    from tests.system.torture.stage import Stage

HubFault = Callable[["Stage", Slot, random.Random], str | None]
DatabaseFault = Callable[["Stage", random.Random], str | None]

KILL, CRASH, OTHER = "SIGKILLs under load", "database kills in the middle of a commit", "other faults"
TIMES = ("before", "after")
#: Every step that a hub comes to again and again while messages arrive.
BUSY = (
    "cut",
    "write",
    "enter",
    "count",
    "update",
    "join",
    "position",
    "written",
    "release",
    "append",
    "quarantine",
)
AT = [f"{when} {step}" for step in (*BUSY, "commit") for when in TIMES] + ["before lock", "in append"]
AT_START = [f"{when} {step}" for step in ("adopt", "remove", "segment", "take") for when in TIMES] + [
    "in remove"
]
assert {step.partition(" ")[2] for step in (*AT, *AT_START)} <= {*STEPS, "commit", "lock"}
#: How often that is a step of the scenario's own, if it has any.
OWN_SHARE = 0.5
#: How long in seconds a commit is waited for.
COMMIT = 8.0
OURS = "FROM pg_stat_activity WHERE application_name = 'statscache' AND datname = current_database()"
FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100'; END$$;
CREATE TRIGGER full_disk BEFORE INSERT ON statscache_ledger EXECUTE FUNCTION full_disk();
"""
EMPTY = "DROP TRIGGER full_disk ON statscache_ledger; DROP FUNCTION full_disk()"


def kill(stage: Stage, slot: Slot, chance: random.Random) -> str:
    """Kill a hub at a random instant."""
    slot.run()
    time.sleep(chance.random() * 2)
    slot.kill()
    slot.start()
    return KILL


def kill_at_step(stage: Stage, slot: Slot, chance: random.Random) -> str:
    """Let a hub kill itself at some step of its work, or kill it if it does not come to that step."""
    own = stage.scenario.steps
    step = chance.choice(own if own and chance.random() < OWN_SHARE else [*AT, *slot.steps])
    slot.order(step, chance.randint(1, 500 if "append" in step else 12), signal.SIGKILL)
    slot.kill()
    slot.start()
    return KILL


def kill_at_start(stage: Stage, slot: Slot, chance: random.Random) -> str:
    """Kill a hub, and then the next one while it starts or takes over what the first has left."""
    slot.run()
    slot.kill()
    step = chance.choice([*AT_START, *slot.first_steps])
    slot.start({"step": step, "n": chance.randint(1, 2), "signal": int(signal.SIGKILL)})
    time.sleep(chance.random() * 6)
    slot.kill()
    slot.start()
    return OTHER


def freeze(stage: Stage, slot: Slot, chance: random.Random) -> str:
    """Stop a hub for a while."""
    slot.freeze()
    time.sleep(chance.uniform(0.5, 5))
    slot.thaw()
    return OTHER


def freeze_at_step(stage: Stage, slot: Slot, chance: random.Random) -> str | None:
    """Stop a hub for a while in the middle of its transaction, while it holds the lock of all who count."""
    step = chance.choice(["after enter", "after count", "after join", "after position", "before commit"])
    done = slot.order(step, chance.randint(1, 4), signal.SIGSTOP)
    time.sleep(chance.uniform(0.5, 6) if done else 0)
    slot.thaw()
    return OTHER if done else None


def terminate(stage: Stage, slot: Slot, chance: random.Random) -> str:
    """End a hub as systemd does, under load."""
    slot.end()
    slot.start()
    return OTHER


def crash_in_commit(stage: Stage, chance: random.Random) -> str | None:
    """Kill the server a moment before, in, or after its work on a commit; the answer may or may not arrive."""
    wait = chance.choice([0.0, chance.uniform(0, 0.02)])

    def crash(pair: Pair, data: bytes) -> None:
        pair.far.sendall(data)
        time.sleep(wait)
        stage.server.signal(signal.SIGQUIT)

    done = _at_commit(stage, crash)
    stage.server.end()
    time.sleep(chance.uniform(0, 1.5))
    stage.server.begin()
    return CRASH if done else OTHER


def crash(stage: Stage, chance: random.Random) -> str:
    """Kill the server at a random instant."""
    stage.server.end()
    time.sleep(chance.uniform(0, 3))
    stage.server.begin()
    return OTHER


def restart(stage: Stage, chance: random.Random) -> str:
    """Stop the server in order, and start it again."""
    stage.server.end(signal.SIGINT)
    stage.server.begin()
    return OTHER


def swallow_answer(stage: Stage, chance: random.Random) -> str | None:
    """Let a commit through and not its answer: the connection breaks instead."""

    def swallow(pair: Pair, data: bytes) -> None:
        pair.mute = True
        pair.far.sendall(data)

    return OTHER if _at_commit(stage, swallow) else None


def swallow_commit(stage: Stage, chance: random.Random) -> str | None:
    """Break the connection when a commit is sent, before it arrives."""
    return OTHER if _at_commit(stage, lambda pair, data: pair.cut()) else None


def delay_commit(stage: Stage, chance: random.Random) -> str | None:
    """Hold a commit back, break the client's side, and deliver it all the same: it is done when nobody waits."""
    wait = chance.uniform(0.2, 2.5)

    def deliver_late(pair: Pair, data: bytes) -> None:
        pair.mute = True
        pair.near.shutdown(2)
        time.sleep(wait)
        pair.far.sendall(data)
        time.sleep(0.1)

    return OTHER if _at_commit(stage, deliver_late) else None


def _at_commit(stage: Stage, plan: Callable[[Pair, bytes], None]) -> bool:
    """Carry out a plan at the next commit; return whether there was one."""
    fired = threading.Event()

    def fire(pair: Pair, data: bytes) -> None:
        try:
            plan(pair, data)
        finally:
            fired.set()

    stage.gate.at_commit = fire
    done = fired.wait(COMMIT)
    stage.gate.at_commit = None
    return done


def shut(stage: Stage, chance: random.Random) -> str:
    """Refuse all connections for a while."""
    shut_for_a_while(stage.gate, chance)
    return OTHER


def cut(stage: Stage, chance: random.Random) -> str:
    """Cut all connections."""
    stage.gate.cut()
    return OTHER


def stall(stage: Stage, chance: random.Random) -> str:
    """Leave all connections half open for a while, after which they break or go on."""
    stall_for_a_while(stage.gate, chance)
    return OTHER


def shut_for_a_while(proxy: Proxy[Any], chance: random.Random) -> None:
    """Refuse all connections through a proxy for a while."""
    proxy.shut()
    time.sleep(chance.uniform(0.2, 4))
    proxy.open()


def stall_for_a_while(proxy: Proxy[Any], chance: random.Random) -> None:
    """Leave all connections through a proxy half open for a while, after which they break or go on."""
    proxy.stall()
    time.sleep(chance.uniform(0.5, 6))
    if chance.random() < 0.5:
        proxy.cut()
    proxy.flow()


def slow(stage: Stage, chance: random.Random) -> str:
    """Make the way to the database slow for a while."""
    stage.gate.delay = chance.uniform(0.002, 0.03)
    time.sleep(chance.uniform(0.5, 3))
    stage.gate.delay = 0.0
    return OTHER


def cancel(stage: Stage, chance: random.Random) -> str | None:
    """End what the hubs' statements are at, as a time-out does, a few times."""
    done = [_sql(stage, f"SELECT pg_cancel_backend(pid) {OURS} AND state = 'active'", 0.1) for _ in range(10)]
    return OTHER if any(done) else None


def sever(stage: Stage, chance: random.Random) -> str | None:
    """End the hubs' sessions in the server."""
    return OTHER if _sql(stage, f"SELECT pg_terminate_backend(pid) {OURS}") else None


def lock(stage: Stage, chance: random.Random) -> str | None:
    """Lock a plugin's table for a while."""
    table = chance.choice(
        ["data_volume_1m", "data_volume_by_user_5s", "data_releng_dashboard", "statscache_ledger"]
    )
    return (
        OTHER if _sql(stage, f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE", chance.uniform(1, 5)) else None
    )


def fill_disk(stage: Stage, chance: random.Random) -> str | None:
    """Let the database's disk be full for a while."""
    if not _sql(stage, FULL):
        return None
    time.sleep(chance.uniform(0.5, 2.5))
    while not _sql(stage, EMPTY):
        time.sleep(0.1)
    return OTHER


def _sql(stage: Stage, statement: str, wait: float = 0.0) -> bool:
    """Run a statement, and wait before the end of its transaction; return whether that worked."""
    try:
        with stage.admin.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))
            connection.execute(text(statement))
            time.sleep(wait)
    except DBAPIError:
        return False
    return True


HUB: dict[HubFault, int] = {
    kill: 3,
    kill_at_step: 5,
    kill_at_start: 1,
    freeze: 1,
    freeze_at_step: 1,
    terminate: 1,
}
DATABASE: dict[DatabaseFault, int] = {
    crash_in_commit: 8,
    crash: 1,
    restart: 1,
    swallow_answer: 2,
    swallow_commit: 1,
    delay_commit: 2,
    shut: 1,
    cut: 1,
    stall: 1,
    slow: 1,
    cancel: 1,
    sever: 1,
    lock: 1,
    fill_disk: 1,
}


def draw(chance: random.Random, faults: dict[Any, int]) -> Any:
    """Return one of the faults by their weights."""
    return chance.choices(list(faults), list(faults.values()))[0]
