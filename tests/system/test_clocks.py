"""A real hub whose clock is set while it runs: what it claims, and what it says of itself."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.support.clock_preload import MovableClock
from tests.support.health import get, ready, url_of, wait_for_ready
from tests.support.hub import Bus, Hub, ordinary, volume, wait_for

HOUR = 3600.0
LATENESS = 2
#: How long in seconds a jump, or a trouble, may go unnoticed.
NOTICED, SAID = 5.0, 10.0
#: Upkeep, which covers a quiet bus, comes often.
HASTY = """
from statscache.counting import flusher
flusher.UPKEEP = 0.5
"""


class Clocked(Hub):
    """A hub with a clock of its own, which covers what it hears soon."""

    script = HASTY + Hub.script


@pytest.fixture(params=[False, True], ids=["new", "old"])
def clock(request: pytest.FixtureRequest, tmp_path: Path) -> MovableClock:
    """The hub's clock: for a Python that waits by the monotonic clock, and for one that waits by this one."""
    return MovableClock(tmp_path, old_waits=request.param)


@pytest.fixture
def hub(tmp_path: Path, bus: Bus, config: dict[str, Any], clock: MovableClock) -> Iterator[Hub]:
    """A hub that runs by this clock."""
    found = Clocked(tmp_path, bus, {**config, "statscache.coverage.lateness": LATENESS}, **clock.environment)
    found.wait_until_running()
    yield found
    found.kill()


def covered(engine: Engine) -> list[tuple[float, float]]:
    """Return the spans that all plugins have covered, in seconds since 1970."""
    query = text(
        "SELECT extract(epoch FROM lower(span))::float, extract(epoch FROM upper(span))::float FROM unnest("
        "(SELECT range_intersect_agg(covered) FROM statscache_coverage)) AS span ORDER BY span"
    )
    with engine.connect() as connection:
        return [(start, stop) for start, stop in connection.execute(query)]


def wait_until_covered(engine: Engine, instant: float) -> None:
    """Wait until some second after an instant is covered."""
    wait_for(f"coverage after {instant}", lambda: any(stop > instant for _, stop in covered(engine)), 20)


def wait_for_jump(hub: Hub, since: float, times: int) -> None:
    """Wait until the hub has noticed so many jumps, the last not too long after an instant of the monotonic clock."""
    words = "this machine's clock was set"
    wait_for("the jump", lambda: hub.log.count(words) == times, NOTICED - (time.monotonic() - since))


def assert_says(hub: Hub, since: float, code: int, words: str) -> None:
    """See that /ready says so in time."""
    wait_for(words, lambda: re.search(words, ready(hub)[2]), SAID - (time.monotonic() - since))
    assert ready(hub)[0] == code
    assert get(f"{url_of(hub)}/live")[0] == 200


@pytest.mark.parametrize("jump", [-HOUR, HOUR, -2.0])
def test_a_hub_whose_clock_is_set_goes_on(
    hub: Hub, bus: Bus, engine: Engine, clock: MovableClock, jump: float
) -> None:
    """It notices, begins a new span, counts as before, and covers time again once that is over by either clock; of
    the seconds around the jump none is covered. If its clock differs from the database's it says so."""
    wait_for_ready(hub)
    wait_until_covered(engine, 0)
    set_at, before = time.time(), time.monotonic()
    clock.set(jump)
    wait_for_jump(hub, before, 1)
    bus.send(ordinary(1, time.time()))
    wait_for("the message", lambda: volume(engine) == 1, 5)
    if abs(jump) > 10:
        assert_says(
            hub, before, 200, f"clock is {'behind' if jump < 0 else 'ahead of'} the database's by 3[56]"
        )
    else:
        wait_until_covered(engine, time.time())
    back_at, before = time.time(), time.monotonic()
    clock.set(0)
    wait_for_jump(hub, before, 2)
    bus.send(ordinary(2, time.time()))
    wait_for("the message", lambda: volume(engine) == 2, 5)
    wait_until_covered(engine, time.time())
    wait_for_ready(hub)
    for start, stop in covered(engine):
        assert stop <= set_at or start >= set_at
        assert stop <= back_at or start >= back_at
        assert stop <= time.time()
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT max(late) FROM statscache_coverage")) == 0
    assert hub.end()[0] == 0, hub.log


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_a_bus_that_goes_while_the_clock_is_wrong_is_missed(
    hub: Hub, bus: Bus, clock: MovableClock, jump: float
) -> None:
    """Within ten seconds, as ever; and so is its return."""
    wait_for_ready(hub)
    clock.set(jump)
    before = time.monotonic()
    bus.close()
    assert_says(hub, before, 503, rf"no connection to {bus.endpoint} for \d s")
    again = Bus(bus.endpoint)
    before = time.monotonic()
    wait_for("its return", lambda: ready(hub)[0] == 200, SAID)
    clock.set(0)
    wait_for_ready(hub)
    assert time.monotonic() - before < SAID
    again.close()
