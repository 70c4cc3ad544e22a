"""A daemon that is told to freeze at a step of its work does so there."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.hub import Bus, ordinary
from tests.system.torture.faults import AT
from tests.system.torture.fleet import Slot
from tests.system.torture.repeated import Repeated

#: What a daemon does only with messages that plugins cannot digest, and what no process survives.
SELDOM = {"before update", "after update", "before quarantine", "after quarantine", "in append"}


def steps_missed(slot: Slot, steps: list[str]) -> list[str]:
    """Return the steps that a daemon does not come to."""
    missed = []
    for step in steps:
        if not any(slot.order(step, 1, signal.SIGSTOP) for _ in range(3)):
            missed.append(step)
        slot.thaw()
    return missed


@pytest.fixture
def slot(tmp_path: Path, bus: Bus, config: dict[str, Any]) -> Iterator[Slot]:
    """A place with a hub that runs, to which messages come all the time."""
    slot = Slot(tmp_path / "hub-0", bus, {**config, "statscache.producer.frequency": 0.2}, {})
    numbers = itertools.count(1)
    slot.start()
    slot.run()
    bus.wait_for_subscriber()
    try:
        with Repeated(lambda: bus.send(ordinary(next(numbers), time.time())), 0.02):
            yield slot
    finally:
        slot.kill()


def test_a_hub_comes_to_every_step(slot: Slot) -> None:
    """Else the suite waits for a kill that never comes, and kills at random instead."""
    assert steps_missed(slot, [step for step in AT if step not in SELDOM]) == []
