"""Windows of durations are counted again from an archive, with all that matters to them of before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from statscache.database.lock import counting
from statscache.history.archives.archive import Slice
from statscache.history.recount.findings import Report
from statscache.history.recount.rebuild import rebuild
from statscache.history.recount.verify import Verification
from statscache.span import Span, without
from statscache.store.coverage import cover
from statscache.upkeep.event_pruning import prune
from tests.support.bench import Bench
from tests.support.durations import GIVE_UP, Lengths, Sent, expected, found
from tests.support.histories import Benches, flush, histories
from tests.support.sql import run

Make = Callable[..., Bench]
#: To find a simpler example takes longer than to understand one.
PHASES = Phase.explicit, Phase.reuse, Phase.generate
OFTEN = settings(max_examples=20, phases=PHASES, suppress_health_check=[HealthCheck.function_scoped_fixture])
ALL = Span(0, 900)
EVENTS: Any = Lengths.model.beside[0].__table__


class Memory:
    """An archive of some messages."""

    def __init__(self, messages: Iterable[Sent]) -> None:
        self._bodies = {message.msg_id: message.body for message in messages}

    def slices(self, span: Span) -> Iterator[Slice]:
        """Yield all of a span as one part."""
        yield Slice(span, [body for body in self._bodies.values() if body["timestamp"] in span])

    def close(self) -> None:
        """Do nothing."""


def again(bench: Bench, messages: Sequence[Sent], span: Span) -> Report:
    """Rebuild."""
    return rebuild(bench.app, Memory(messages), [], span, lambda sentence: None, pauses=())


def verified(bench: Bench, messages: Sequence[Sent], span: Span = ALL) -> Report:
    """Verify."""
    return Verification(bench.app, [], span.start, span.stop, pauses=()).run(Memory(messages))


def covered(bench: Bench, span: Span = ALL) -> None:
    with counting(bench.engine) as connection:
        cover(connection, ["lengths"], span)


@OFTEN
@given(data=st.data())
def test_what_a_rebuild_brings_is_in_all_windows(make_bench: Make, data: st.DataObject) -> None:
    """In those that are counted again, in those after them that it changes, and for all that comes later."""
    bench = Benches.one(make_bench)
    messages = data.draw(histories())
    heard = messages[: data.draw(st.integers(0, len(messages)))]
    for message in heard:
        flush(bench, [message])
    start = data.draw(st.sampled_from(range(0, 420, 60)))
    span = Span(start, start + data.draw(st.sampled_from([60, 120, 240])))
    again(bench, messages, span)
    fetched = [message for message in messages if span.start - GIVE_UP <= message.second < span.stop]
    assert found(bench) == expected([*heard, *fetched])
    covered(bench)
    assert not verified(bench, [*heard, *fetched]).differing
    flush(bench, messages)
    assert found(bench) == expected(messages)


@OFTEN
@given(data=st.data())
def test_a_rebuild_is_right_where_events_are_pruned(make_bench: Make, data: st.DataObject) -> None:
    """Around a gap all are there that it needs; elsewhere nothing is taken for new that was deleted."""
    bench = Benches.one(make_bench)
    messages = data.draw(histories())
    first = data.draw(st.integers(0, 400))
    gap = Span(first, first + data.draw(st.integers(1, 100)))
    heard = [message for message in messages if message.second not in gap]
    flush(bench, heard)
    for part in without(Span(0, 2000), [gap]):
        covered(bench, part)
    prune(bench.engine, EVENTS, timedelta(days=8))
    start = data.draw(st.sampled_from(range(0, 420, 60)))
    span = Span(start, start + data.draw(st.sampled_from([60, 120, 240])))
    again(bench, messages, span)
    fetched = [message for message in messages if span.start - GIVE_UP <= message.second < span.stop]
    assert found(bench) == expected([*heard, *fetched])
    prune(bench.engine, EVENTS, timedelta(days=8))
    flush(bench, [message for message in messages if message not in (*heard, *fetched)])
    assert found(bench) == expected(messages)


BEGIN, END = ("began", "a", None, None), ("ended", "a", "x", "ann")
#: Begins and ends, of which some lie in other windows than what they belong to.
PLAIN = [
    Sent(110, "m1", (BEGIN,)),
    Sent(170, "m2", (END,)),
    Sent(290, "m3", (BEGIN,)),
    Sent(310, "m4", (END,)),
    Sent(420, "m5", (END,)),
]
DAMAGE = [
    "DELETE FROM test_lengths",
    "UPDATE test_lengths SET seconds = seconds + 1",
    "UPDATE test_lengths SET bucket = 7 WHERE bucket > 0",
    "INSERT INTO test_lengths VALUES (to_timestamp(180), 'y', 'bob', 3, 1, 3)",
    "DELETE FROM test_lengths_event",
    "DELETE FROM test_lengths_event WHERE ends; DELETE FROM test_lengths",
    "UPDATE test_lengths_event SET kind = 'other'",
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_and_mended(damage: str, make_bench: Make) -> None:
    """That nobody has noticed: afterwards both tables are as they were."""
    bench = make_bench(Lengths)
    flush(bench, PLAIN)
    covered(bench)
    assert not verified(bench, PLAIN).differing
    before = found(bench), events(bench)
    bench.execute(damage)
    assert bool(verified(bench, PLAIN).differing) == (found(bench) != before[0])
    again(bench, PLAIN, ALL)
    assert (found(bench), events(bench)) == before


def events(bench: Bench) -> list[Any]:
    return bench.execute("SELECT * FROM test_lengths_event ORDER BY id, timestamp, ends, msg_id")


def test_a_verification_of_one_window_reads_what_is_before_it(make_bench: Make) -> None:
    """Also where windows are drawn at random; a gap before a window leaves it out."""
    bench = make_bench(Lengths)
    flush(bench, PLAIN)
    covered(bench)
    report = verified(bench, PLAIN, Span(300, 360))
    assert (report.differing, report.findings[0].windows) == (0, 1)
    bench.execute(
        "UPDATE statscache_coverage SET covered = covered - '{[1970-01-01 00:04:50,1970-01-01 00:04:51)}'"
    )
    report = verified(bench, PLAIN, Span(120, 600))
    assert report.findings[0].incomplete == [Span(290, 291 + GIVE_UP)]
    assert report.findings[0].windows == 2 + 3


def test_what_somebody_removed_of_the_events_is_complete_again(make_bench: Make, database: str) -> None:
    """As far as the windows that depend on it are counted again; the others stay incomplete, and as they are."""
    bench, other = make_bench(Lengths), create_engine(database)
    flush(bench, PLAIN)
    covered(bench)
    before = found(bench), events(bench)
    run(other, "DELETE FROM test_lengths_event")
    again(bench, PLAIN, Span(120, 300))
    assert found(bench) == before[0]
    assert [str(row[0]) for row in events(bench)] == ["a", "a", "a"]
    query = (
        "SELECT extract(epoch FROM lower(part))::int, extract(epoch FROM upper(part))::int "
        "FROM statscache_freshness, unnest(removed) AS part"
    )
    assert bench.execute(query) == [(110, 120), (300, 311 + GIVE_UP), (420, 421 + GIVE_UP)]
    again(bench, PLAIN, ALL)
    assert (found(bench), events(bench)) == before
    assert bench.execute(query) == []
    other.dispose()


def test_a_rebuild_of_what_is_pruned_changes_no_other_window(make_bench: Make) -> None:
    """Events that were deleted since nothing needs them do not come back, and nobody takes them for new ones."""
    bench = make_bench(Lengths)
    flush(bench, PLAIN)
    covered(bench, Span(0, 480))
    assert prune(bench.engine, EVENTS, timedelta(days=8)) == 4
    before = found(bench), events(bench)
    for span in (Span(120, 180), Span(240, 300), Span(300, 420), ALL):
        assert not again(bench, PLAIN, span).differing
        assert (found(bench), events(bench)) == before
    bench.execute("DELETE FROM test_lengths")
    again(bench, PLAIN, ALL)
    assert (found(bench), events(bench)) == before
