"""Daemons on both buses, and bridges between these that copy in both directions: the original's time decides."""

from __future__ import annotations

import math
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text

from statscache.bus.watermark import SETTLE
from tests.support.bridged import canonical
from tests.support.consumer import Consumer
from tests.support.hub import Bus, Hub, ordinary, volume, wait_for
from tests.support.rabbitmq import Delivery, Publisher
from tests.system.amqp.test_both_buses import covered

pytestmark = pytest.mark.slow
LATENESS, WAIT = 8, 3
SETTINGS = {
    "statscache.coverage.lateness": LATENESS,
    "statscache.producer.frequency": 0.2,
    "statscache.bridges.wait": WAIT,
}
#: By how many seconds a copy is later than its original.
LATER = 7
CELLS = "SELECT extract(epoch FROM timestamp)::bigint, volume FROM data_volume_1s"
COMPLETE = """
SELECT second FROM generate_series(CAST(:start AS bigint), :start + 30) AS second
WHERE (SELECT bool_and(covered @> to_timestamp(second)) FROM statscache_coverage)
"""


def fedmsg(number: int, when: float, **more: Any) -> dict[str, Any]:
    """Return a message as it is on fedmsg."""
    return {**ordinary(number, when), "msg_id": f"2026-{canonical(number)}", **more}


def amqp(number: int, when: float, copied: bool = False) -> Delivery:
    """Return a message as it is on AMQP."""
    delivery = Delivery(number, when)
    if copied:
        delivery.id = f"2026-{delivery.id}"
    return delivery


def cells(engine: Engine) -> dict[int, int]:
    """Return how many messages each second has."""
    with engine.connect() as connection:
        return dict(connection.execute(text(CELLS)).all())


def kept(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM statscache_kept_back")) or 0)


def assert_honest(engine: Engine, start: int, expected: dict[int, int]) -> bool:
    """Check that each second which is complete has all that it should; return whether all of them are."""
    with engine.connect() as connection:
        complete = list(connection.scalars(text(COMPLETE), {"start": start}))
    found = cells(engine)
    assert {second: found.get(second, 0) for second in complete} == {
        second: expected.get(second, 0) for second in complete
    }
    return expected.keys() <= set(complete)


@pytest.fixture
def begin(
    start: Callable[..., Consumer], start_hub: Callable[..., Hub]
) -> Callable[[], tuple[Hub, Consumer]]:
    """Starts a daemon on each bus, which know of each other from their start on."""

    def both() -> tuple[Hub, Consumer]:
        first = start(SETTINGS)
        first.wait_until_running()
        first.end()
        hub = start_hub(SETTINGS)
        hub.wait_until_running()
        consumer = start(SETTINGS)
        consumer.wait_until_running()
        return hub, consumer

    return both


def test_the_original_decides_whichever_comes_first(
    begin: Callable[[], tuple[Hub, Consumer]], publisher: Publisher, bus: Bus, engine: Engine
) -> None:
    """In both directions, and no second is complete that has yet to get a copy whose original never comes."""
    hub, consumer = begin()
    start = math.ceil(time.time() + SETTLE) + 1  # from when on both are known to hear everything
    numbers = iter(range(1, 1000))
    expected: Counter[int] = Counter()
    first: list[Any] = []
    second: list[Any] = []
    for when in [start + number % 5 for number in range(50)]:
        # Original and copy of each bus in both orders, then copies alone, then copies of copies.
        for early, late in ((first, second), (second, first)):
            number = next(numbers)
            early.append(fedmsg(number, when))
            late.append(amqp(number, when + LATER, copied=True))
            number = next(numbers)
            early.append(amqp(number, when))
            late.append(fedmsg(number, when + LATER, username="amqp-bridge"))
            expected[when] += 2
        first.append(amqp(next(numbers), when + LATER, copied=True))
        first.append(fedmsg(next(numbers), when + LATER, username="amqp-bridge"))
        number = next(numbers)
        first.append(fedmsg(number, when + LATER + 1, username="amqp-bridge"))
        second.append(amqp(number, when + LATER, copied=True))
        expected[when + LATER] += 3
    for part in (first, second, second):
        publisher.send(each for each in part if isinstance(each, Delivery))
        bus.send_all(each for each in part if not isinstance(each, Delivery))
        wait_for("copies to be kept back", lambda: kept(engine) > 0)
    wait_for("all to be complete", lambda: assert_honest(engine, start, expected), 60.0)
    assert cells(engine) == expected
    assert kept(engine) == 0
    assert volume(engine, "data_volume_by_topic_1s") == volume(engine) == expected.total()
    assert "Traceback" not in hub.log + consumer.log


def test_a_daemon_that_is_killed_leaves_what_it_keeps_back_to_the_other(
    begin: Callable[[], tuple[Hub, Consumer]],
    start: Callable[..., Consumer],
    publisher: Publisher,
    bus: Bus,
    engine: Engine,
) -> None:
    """At whatever it is: each message counts once, by the original's time where that comes, and the rest by its own."""
    hub, consumer = begin()
    began = int(time.time())
    expected: Counter[int] = Counter()
    for turn in range(4):
        now = int(time.time())
        numbers = range(1000 * (turn + 1), 1000 * (turn + 1) + 300)
        publisher.send(amqp(number, now + LATER, copied=True) for number in numbers)
        time.sleep(0.15 * turn)  # in its spool, in the flush, kept back
        consumer.end(signal.SIGKILL)
        bus.send_all(fedmsg(number, now) for number in numbers if number % 3)
        expected += {now: 200, now + LATER: 100}
        if turn % 2:
            time.sleep(WAIT + 2)
        consumer = start(SETTINGS)
        consumer.wait_until_running()
    wait_for("all to count", lambda: volume(engine) == expected.total() and not kept(engine), 60.0)
    assert cells(engine) == expected
    wait_for("the time to be complete", lambda: covered(engine) > began + LATER, 60.0)
    assert "Traceback" not in hub.log
