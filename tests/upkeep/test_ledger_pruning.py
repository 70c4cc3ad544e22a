"""The ledger is pruned by the database's clock, but not while that cannot be trusted."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from statscache.process.clocks import Clocks
from statscache.upkeep import ledger_pruning
from statscache.upkeep.ledger_pruning import PruneLedger
from tests.support.bench import Bench, Good

KEEP = timedelta(days=8)
MakeBench = Callable[..., Bench]


def test_after_the_clock_was_set_nothing_is_pruned_for_a_while(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What then looks old may have been counted a moment ago, and could be counted again."""
    bench = make_bench(Good)
    bench.accept("x", "y")
    bench.flush()
    bench.execute("UPDATE statscache_ledger SET counted_at = now() - interval '9 days'")
    bench.execute("UPDATE statscache_coverage SET covered = tstzmultirange(tstzrange(NULL, now()))")
    clocks = Clocks()
    pruning = PruneLedger(bench.engine, KEEP, clocks)
    asked = clocks.monotonic()
    clocks.note_database(time.time() - 9 * 86_400, asked, asked)  # from which it has now been set forward
    assert not pruning.run()
    assert bench.execute("SELECT count(*) FROM statscache_ledger") == [(2,)]
    monkeypatch.setattr(ledger_pruning, "STEADY_S", 0.0)  # the while is over
    assert not pruning.run()
    assert bench.execute("SELECT count(*) FROM statscache_ledger") == [(0,)]
