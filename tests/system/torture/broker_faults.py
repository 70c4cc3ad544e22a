"""What is done to a broker, and what somebody does to its queues by hand; of the shape of `faults`."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pika.exceptions import AMQPError

from tests.system.torture import faults, hardships
from tests.system.torture.consumers import UNACKNOWLEDGED, ConsumerSlot
from tests.system.torture.fleet import Slot

if TYPE_CHECKING:
    from tests.system.torture.broker import BrokerBus
    from tests.system.torture.stage import Stage

BrokerFault = Callable[["Stage", random.Random], str | None]

UNACKED = "SIGKILLs between commit and acknowledgement"
KILL, CUT, OTHER = "broker kills", "connections to the broker cut", "other faults of the broker"
PURGE, DELETION = "queues purged", "queues deleted"
#: For so many seconds something waits in a queue before it is purged, so that a marker is among it, of which one is
#: sent each second; and how long that is waited for.
MARKED, BACKLOG = 2.5, 20.0


def broker_of(stage: Stage) -> BrokerBus:
    """Return the broker of a stage."""
    assert stage.bus.broker is not None
    return stage.bus.broker


def kill_unacknowledged(stage: Stage, slot: Slot, chance: random.Random) -> str:
    """Let a daemon kill itself between a commit and its acknowledgement."""
    step = chance.choice(UNACKNOWLEDGED)
    done = slot.order(step, chance.randint(1, 3), signal.SIGKILL)
    slot.kill()
    slot.start()
    return UNACKED if done else faults.KILL


def kill_broker(stage: Stage, chance: random.Random) -> str:
    """Kill the broker at a random instant, and start it again."""
    server = broker_of(stage).server
    time.sleep(chance.random() * 2)
    server.kill()
    time.sleep(chance.uniform(0, 2))
    server.start()
    return KILL


def restart_broker(stage: Stage, chance: random.Random) -> str:
    """Stop the broker in order, and start it again."""
    server = broker_of(stage).server
    server.stop()
    server.start()
    return OTHER


def freeze_broker(stage: Stage, chance: random.Random) -> str:
    """Stop the broker's process for a while."""
    with broker_of(stage).server.frozen():
        time.sleep(chance.uniform(0.5, 6))
    return OTHER


def cut_connections(stage: Stage, chance: random.Random) -> str:
    """Cut the daemons' connections to the broker."""
    broker_of(stage).gate.cut()
    return CUT


def close_connections(stage: Stage, chance: random.Random) -> str:
    """Let the broker close all connections, as somebody does by hand."""
    broker_of(stage).server.ctl("close_all_connections", "torture")
    return CUT


def shut_broker(stage: Stage, chance: random.Random) -> str:
    """Refuse all connections to the broker for a while."""
    faults.shut_for_a_while(broker_of(stage).gate, chance)
    return CUT


def stall_broker(stage: Stage, chance: random.Random) -> str:
    """Leave the daemons' connections half open for a while, after which they break or go on."""
    faults.stall_for_a_while(broker_of(stage).gate, chance)
    return OTHER


def purge_queue(stage: Stage, slot: Slot, chance: random.Random) -> str | None:
    """Purge a daemon's queue while more waits in it than the daemon takes."""
    assert isinstance(slot, ConsumerSlot)
    slot.run()
    with hardships.without_database(stage, chance):
        try:
            return PURGE if _purge(broker_of(stage), slot.queue) else None
        except AMQPError:
            return None


def _purge(broker: BrokerBus, queue: str) -> int:
    """Purge a queue once something has waited in it for long enough; return how much was removed."""
    began = since = time.monotonic()
    with broker.server.channel() as channel:
        while time.monotonic() < since + MARKED:
            time.sleep(0.1)
            if not channel.queue_declare(queue, passive=True).method.message_count:
                since = time.monotonic()
            if since > began + BACKLOG:
                return 0
        return int(channel.queue_purge(queue).method.message_count)


def delete_queue(stage: Stage, slot: Slot, chance: random.Random) -> str | None:
    """Delete a daemon's queue, which the daemon makes again."""
    assert isinstance(slot, ConsumerSlot)
    slot.run()
    try:
        with broker_of(stage).server.channel() as channel:
            channel.queue_delete(slot.queue)
    except AMQPError:
        return None
    return DELETION


CONSUMER: dict[faults.HubFault, int] = {**faults.HUB, kill_unacknowledged: 4}
BROKER: dict[BrokerFault, int] = {
    kill_broker: 2,
    restart_broker: 1,
    freeze_broker: 2,
    cut_connections: 4,
    close_connections: 1,
    shut_broker: 2,
    stall_broker: 2,
}
#: With these no marker is long in coming to the queue, so that a purge takes one along.
PURGING: dict[BrokerFault, int] = {kill_broker: 1, cut_connections: 3, shut_broker: 1}
PURGES: dict[faults.HubFault, int] = {
    purge_queue: 6,
    delete_queue: 3,
    kill_unacknowledged: 2,
    faults.kill: 1,
    faults.kill_at_step: 1,
    faults.kill_at_start: 1,
    faults.freeze: 1,
    faults.terminate: 1,
}
