"""The suite's own check of completeness finds what it is there to find."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from statscache.daemon import Daemon
from statscache.database.lock import counting
from statscache.messages.message import Message
from statscache.messages.naming import Meta
from statscache.span import Span
from statscache.store.coverage import cover
from tests.support.hub import Bus, wait_for
from tests.support.reference import Body, Reference
from tests.system.torture.buses import FedmsgBus
from tests.system.torture.completeness import Completeness
from tests.system.torture.messages import Dating, make
from tests.system.torture.publisher import Publisher

#: How the check is made: when all is over, and while all goes on.
Check = Callable[[Completeness, Engine], None]
CHECKS = [Completeness.compare, Completeness.watch]


@pytest.fixture
def sent(bus: Bus) -> tuple[dict[str, Body], Publisher]:
    """Messages of the last seconds, by their ids, and who has sent them."""
    publisher = Publisher(FedmsgBus(bus), 1000)
    bodies = [body for body in make(1, 300, odd=False) if "msg_id" in body]
    begin = time.time()
    dated = Dating(1, 1000).date(bodies, begin)
    publisher.publish(dated, begin)
    return {Message(body).id: body for body in dated if body["timestamp"] > begin - 10}, publisher


@pytest.fixture
def completeness(sent: tuple[dict[str, Body], Publisher]) -> Completeness:
    """The check, of these messages."""
    bodies, publisher = sent
    meta = Meta({})
    names = {id(body): Message(body) for body in bodies.values()}
    reference = Reference(
        lambda body: meta.usernames(names[id(body)]), lambda body: meta.packages(names[id(body)])
    )
    return Completeness(bodies, publisher, reference)


def count(daemon: Daemon, bodies: list[Body], claimed: list[Body]) -> None:
    """Let a daemon count messages, and cover the seconds of others."""
    for body in bodies:
        daemon.intake.accept(body)
    daemon.flusher.step()
    end = max(body["timestamp"] for body in claimed) + 1
    wait_for("the seconds to be over, before which none is covered", lambda: time.time() > end)
    with counting(daemon.engine) as connection:
        for second in {math.floor(body["timestamp"]) for body in claimed}:
            cover(connection, daemon.writer.plugins, Span(second, second + 1))


@pytest.mark.parametrize("check", CHECKS)
def test_what_is_complete_passes(
    check: Check, daemon: Daemon, engine: Engine, sent: Any, completeness: Completeness
) -> None:
    """Nothing is found where every message of every second that is covered is counted."""
    bodies = list(sent[0].values())
    count(daemon, bodies, bodies)
    check(completeness, engine)
    assert (completeness.evidence, completeness.false_seconds) == ([], set())


@pytest.mark.parametrize("check", CHECKS)
def test_a_second_that_lacks_a_message_nobody_has_accepted_is_found(
    check: Check, daemon: Daemon, engine: Engine, sent: Any, completeness: Completeness
) -> None:
    """One message that was sent and not accepted makes its second one that is called complete and is not."""
    bodies = sorted(sent[0].values(), key=sent[1].age)
    count(daemon, bodies[1:], bodies)
    check(completeness, engine)
    assert math.floor(bodies[0]["timestamp"]) in completeness.false["data_volume_1s"]
