"""Of which time an archive is asked."""

from __future__ import annotations

from typing import Any

from statscache.bus.watermark import SETTLE, Watermark
from statscache.upkeep.gaps import Gaps
from tests.support.clock import NOON, Machine


def test_nothing_is_missing_that_another_daemon_hears_for_which_we_stand_by() -> None:
    """Nor what is heard since we have taken over."""
    machine = Machine()
    watermark = Watermark(machine.clocks)
    nothing: Any = None
    gaps = Gaps(nothing, [], nothing, watermark, 60.0)
    watermark.expect(["a"])
    assert gaps.until() == NOON - 60
    watermark.connected("a")
    machine.now += 10
    watermark.stand_by("a")
    machine.now += 1000
    assert gaps.until() == NOON + 10
    watermark.take_over("a")
    machine.now += 1000
    assert gaps.until() == int(NOON + 1010 + SETTLE) + 1
    watermark.stand_by("a")
    watermark.disconnected("a")
    assert gaps.until() == NOON + 2010 - 60
