"""The faults of a scenario, side by side: into daemons, commands, database and broker, one after the other each."""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tests.system.torture import faults
from tests.system.torture.consumers import ConsumerSlot
from tests.system.torture.fleet import Slot

if TYPE_CHECKING:
    from tests.system.torture.stage import Stage

#: How long in seconds nothing is done between two faults, and how often it is long, so that some time is heard in full.
BUSY, CALM, CALM_SHARE = (0.0, 1.0), (3.0, 6.0), 0.25


class Lane:
    """Injects one fault after the other while messages are sent.

    :param name: of what they are injected into
    :param kinds: the faults, with weights
    :param slot: into the daemons of which place, if that is what they are injected into
    :param chance: draws the faults
    """

    def __init__(
        self, name: str, kinds: Mapping[Any, int], chance: random.Random, slot: Slot | None = None
    ) -> None:
        self._name = name
        self._kinds = dict(kinds)
        self._chance = chance
        self._slot = slot

    def run(self, stage: Stage) -> None:
        """Inject faults, and complain if that fails."""
        chance = self._chance
        if self._slot is not None and stage.is_later(self._slot):
            stage.publisher.half.wait()
        try:
            while stage.publisher.is_sending and self._kinds:
                time.sleep(chance.uniform(*(CALM if chance.random() < CALM_SHARE else BUSY)))
                self._inject(faults.draw(chance, self._kinds), stage)
        except Exception:
            stage.complaints.append(f"the lane of {self._name} ended:\n{traceback.format_exc()}")

    def _inject(self, fault: Callable[..., str | None], stage: Stage) -> None:
        before = time.monotonic()
        kind = fault(stage, self._slot, self._chance) if self._slot else fault(stage, self._chance)
        if kind:
            stage.faults[kind] += 1
        stage.log(f"{self._name} {fault.__name__} {time.monotonic() - before:.1f} s: {kind}")


def lanes_of(stage: Stage, seed: int) -> list[Lane]:
    """Return the lanes of a stage's scenario."""
    scenario = stage.scenario
    lanes = [Lane("database", scenario.database_faults, random.Random(f"faults {seed} None"))]
    if scenario.command_faults:
        lanes.append(Lane("commands", scenario.command_faults, random.Random(f"faults {seed} commands")))
    if stage.bus.broker:
        lanes.append(Lane("broker", scenario.broker_faults, random.Random(f"faults {seed} broker")))
    for slot in stage.slots:
        kinds = scenario.consumer_faults if isinstance(slot, ConsumerSlot) else scenario.hub_faults
        lanes.append(Lane(slot.name, kinds, random.Random(f"faults {seed} {slot.name}"), slot))
    return lanes
