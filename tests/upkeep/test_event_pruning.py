"""Events of durations are deleted once nothing that is still to count can change what came of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from statscache.database.lock import counting
from statscache.process.clocks import Clocks
from statscache.span import Span
from statscache.store.coverage import cover
from statscache.upkeep import event_pruning, ledger_pruning
from statscache.upkeep.event_pruning import PruneEvents, prune
from tests.support.bench import Bench
from tests.support.durations import GIVE_UP, Lengths, Sent, expected, found
from tests.support.histories import Benches, flush, histories

Make = Callable[..., Bench]
KEEP = timedelta(days=8)
EVENTS: Any = Lengths.model.beside[0].__table__
OFTEN = settings(
    max_examples=50,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
BEGIN, END = ("began", "a", None, None), ("ended", "a", "x", "ann")


def covered(bench: Bench, *spans: Span) -> None:
    with counting(bench.engine) as connection:
        for span in spans:
            cover(connection, ["lengths"], span)


def kept(bench: Bench) -> list[int]:
    """Return the seconds of the events that are there."""
    query = "SELECT extract(epoch FROM timestamp)::int FROM test_lengths_event ORDER BY 1"
    return [second for (second,) in bench.execute(query)]


@OFTEN
@given(data=st.data())
def test_what_fills_a_gap_finds_all_events_that_it_needs(make_bench: Make, data: st.DataObject) -> None:
    """Whatever times are covered, and in whatever order the others come, with pruning after each."""
    bench = Benches.one(make_bench)
    messages = data.draw(histories())
    gaps = data.draw(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 200)), max_size=2))
    missing = [Span(start, start + length) for start, length in gaps]
    flush(bench, [message for message in messages if not any(message.second in gap for gap in missing)])
    late = [message for message in messages if any(message.second in gap for gap in missing)]
    covered(bench, Span(0, 2000))
    for gap in missing:
        bench.execute(
            "UPDATE statscache_coverage SET covered = covered - "
            "tstzmultirange(tstzrange(to_timestamp(:start), to_timestamp(:stop)))",
            start=gap.start,
            stop=gap.stop,
        )
    for message in late:
        prune(bench.engine, EVENTS, KEEP)
        flush(bench, [message])
    assert found(bench) == expected(messages)
    assert len(kept(bench)) <= sum(len(message.says) for message in messages)


def test_events_are_kept_near_what_is_not_covered(make_bench: Make) -> None:
    """As near as it can matter to them, before and after; one that is at the edge is deleted on the far side."""
    bench = make_bench(Lengths)
    seconds = [GIVE_UP - 1, GIVE_UP, 500 - GIVE_UP - 1, 500 - GIVE_UP, 500 + GIVE_UP - 1, 500 + GIVE_UP, 1000]
    flush(bench, [Sent(second, f"m{second}", (BEGIN,)) for second in seconds])
    covered(bench, Span(0, 500), Span(500 + 1, 1200))
    assert prune(bench.engine, EVENTS, KEEP) == 3
    assert kept(bench) == [GIVE_UP - 1, 500 - GIVE_UP, 500 + GIVE_UP - 1, 500 + GIVE_UP]
    covered(bench, Span(500, 501))
    assert prune(bench.engine, EVENTS, KEEP) == 3
    assert kept(bench) == [GIVE_UP - 1]
    pruned = "SELECT pruned @> to_timestamp(500), pruned @> to_timestamp(1) FROM statscache_coverage"
    assert bench.execute(pruned) == [(True, False)]


def test_events_are_kept_near_what_is_in_the_quarantine(
    make_bench: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that counts later finds what it needs."""
    bench = make_bench(Lengths)
    sent = [
        Sent(300, "m1", (BEGIN,)),
        Sent(360, "m2", (END,)),
        Sent(420, "m3", (END,)),
        Sent(700, "m4", (END,)),
    ]
    with monkeypatch.context() as patch:
        patch.setattr(Lengths, "ended", None)
        flush(bench, [sent[1]])
    flush(bench, [sent[0], *sent[2:]])
    covered(bench, Span(0, 1000))
    assert bench.quarantined("lengths") == ["m2"]
    assert prune(bench.engine, EVENTS, KEEP) == 1
    assert kept(bench) == [300, 420]
    assert bench.retry("lengths") == 1
    assert found(bench) == expected(sent)
    assert prune(bench.engine, EVENTS, KEEP) == 3


def test_young_events_are_kept(make_bench: Make) -> None:
    """For as long as the ledger knows their messages, a day more, and the time after which they are given up."""
    bench = make_bench(Lengths)
    now = int(time.time())
    oldest = now - 9 * 86_400 - GIVE_UP
    flush(bench, [Sent(oldest - 60, "m1", (BEGIN,)), Sent(oldest + 60, "m2", (BEGIN,))])
    covered(bench, Span(0, now))
    assert prune(bench.engine, EVENTS, KEEP) == 1
    assert kept(bench) == [oldest + 60]


def test_upkeep_prunes_some_at_a_time(make_bench: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """But not for a while after the database's clock was set; and who has nothing to prune keeps nobody waiting."""
    bench = make_bench(Lengths)
    flush(bench, [Sent(200 + n, f"m{n}", (BEGIN,)) for n in range(5)])
    covered(bench, Span(0, 1000))
    monkeypatch.setattr(event_pruning, "PRUNED", 2)
    clocks = Clocks()
    pruning = PruneEvents(bench.engine, bench.app.parts, KEEP, clocks)
    asked = clocks.monotonic()
    clocks.note_database(time.time() - 9 * 86_400, asked, asked)  # from which it has now been set forward
    assert not pruning.run()
    assert len(kept(bench)) == 5
    monkeypatch.setattr(ledger_pruning, "STEADY_S", 0.0)
    monkeypatch.setattr(ledger_pruning, "STRETCH_S", 0.0)
    assert pruning.run()
    assert len(kept(bench)) == 3
    monkeypatch.setattr(ledger_pruning, "STRETCH_S", 60.0)
    assert not pruning.run()
    assert kept(bench) == []
    with counting(bench.engine):
        assert not pruning.run()
