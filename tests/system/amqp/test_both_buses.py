"""A daemon on fedmsg and one on AMQP with one database give one set of figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from sqlalchemy import Engine, text

from tests.support.consumer import Consumer
from tests.support.hub import Bus, Hub, ordinary, volume, wait_for
from tests.support.rabbitmq import Delivery, Publisher

SETTINGS = {"statscache.coverage.lateness": 1, "statscache.producer.frequency": 0.2}
#: When the last second ends that every plugin has covered, in seconds since 1970.
COVERED = "SELECT extract(epoch FROM min(upper(covered)))::float8 FROM statscache_coverage"


def covered(engine: Engine) -> float:
    """Return up to when everything is complete."""
    with engine.connect() as connection:
        return float(connection.scalar(text(COVERED)) or 0)


def test_the_two_copies_of_a_message_count_once_and_both_buses_must_have_brought_a_time(
    start: Callable[..., Consumer],
    start_hub: Callable[..., Hub],
    publisher: Publisher,
    bus: Bus,
    engine: Engine,
) -> None:
    """What bridges copy in either direction, and while one of the daemons is away nothing is called complete."""
    hub, consumer = start_hub(SETTINGS), start(SETTINGS)
    hub.wait_until_running()
    consumer.wait_until_running()
    now = float(int(time.time()))
    deliveries = [Delivery(number, now) for number in range(1, 301)]
    for number, delivery in enumerate(deliveries):
        year = f"2026-{delivery.id}"
        bus.send({**ordinary(number, now), "msg_id": year})
        if number % 2:
            delivery.id = year  # as the bridge from fedmsg to AMQP leaves it
    publisher.send(deliveries)
    wait_for("all to be counted", lambda: volume(engine) == 300)
    wait_for("both to have brought that time", lambda: covered(engine) > now + 3)
    consumer.end()
    gone = time.time()
    bus.send_all(map(partial(ordinary, when=now), range(1000, 1010)))
    wait_for("what only one bus has to be counted", lambda: volume(engine) == 310)
    time.sleep(5)
    assert covered(engine) <= gone
    consumer = start(SETTINGS)
    wait_for("both to have brought the time", lambda: covered(engine) > gone + 5)
    assert volume(engine) == 310
    assert "Traceback" not in hub.log + consumer.log
