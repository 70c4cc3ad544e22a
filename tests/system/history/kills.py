"""When a daemon is killed. Each of these has history asked for, kills a daemon, and returns what it counts as."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from itertools import count, cycle
from typing import TYPE_CHECKING

from tests.system.datagrepper.stops import Where

if TYPE_CHECKING:
    from tests.system.history.stage import Stage

Kill = Callable[["Stage"], str]

BORDER, MIDDLE = "at a page's border", "in the middle of a page"
STEP, RANDOM, START = "at a step of a transaction", "at a random instant", "and again while starting"
KINDS = (BORDER, MIDDLE, STEP, RANDOM, START)
#: The steps of counting a slice, and of a flush, at which a hub can kill itself.
OF_COMMIT = ["before slice's commit", "after slice's commit"]
OF_SLICE = ["after slice's commit", "after lacking", "before slice", "before slice's commit", "after slice"]
OF_ANY = ["before cover", "after cover", "after enter", "after count", "after update", "after quarantine"]
OF_FLUSH = ["before write", "after position", "before commit", "after commit", "after append", "in append"]


def at_page(number: int, where: Where) -> Kill:
    """Kill it while its request of that number, from 1 on, is held up; at once if it does not ask so often."""

    def kill(stage: Stage) -> str:
        stage.archive.stop_at(stage.requests + number, where)
        stage.ask()
        held = stage.wait_for_stop()
        time.sleep(stage.chance.choice([0, stage.chance.uniform(0, 0.5)]))
        stage.slot.kill()
        stage.archive.release()
        if not held:
            return RANDOM
        stage.furthest = max(stage.furthest, number)
        return MIDDLE if where is Where.MIDDLE else BORDER

    return kill


def at_step(step: str, times: int) -> Kill:
    """Let it kill itself when it comes to a step for the n-th time; kill it after some seconds if it does not."""

    def kill(stage: Stage) -> str:
        stage.slot.run()
        stage.ask()
        done = stage.slot.order(step, times, signal.SIGKILL)
        stage.slot.kill()
        return STEP if done else RANDOM

    return kill


def at_random(stage: Stage) -> str:
    """Kill it a moment after it was asked."""
    stage.ask()
    time.sleep(stage.chance.uniform(0, 1.2))
    stage.slot.kill()
    return RANDOM


def at_start(stage: Stage) -> str:
    """Kill it, and then the next one while it starts or fetches."""
    at_random(stage)
    stage.slot.start()
    time.sleep(stage.chance.uniform(0.5, 4))
    stage.slot.kill()
    return START


def plan() -> Iterator[Kill]:
    """Yield kills: at each page in turn, before, in the middle of and after its answer, and others in between."""
    step = steps()
    for number in count(1):
        yield at_page(number, Where.BEFORE)
        yield next(step)
        yield at_page(number, Where.MIDDLE)
        yield (at_random, at_start)[number % 2]
        yield at_page(number, Where.AFTER)


def steps() -> Iterator[Kill]:
    """Yield kills at each step in turn, of the first slice, the second and so on, and of flushes in between."""
    others = cycle(OF_ANY + OF_FLUSH)
    for times in cycle([1, 2, 3]):
        for step in OF_SLICE:
            yield at_step(step, times)
            if step in OF_COMMIT:
                yield at_step(next(others), 5 * times)
