"""Tables of durations answer how long things take by quantiles within 1 %, exact sums, and what has not ended."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from statscache.plugins import Schedule
from statscache.query.periods import Step, periods
from statscache.schema.functions.create import create_functions
from tests.support.bench import Bench
from tests.support.durations import GIVE_UP, Lengths, Sent, bucket
from tests.support.histories import flush

Make = Callable[..., Bench]
START, STOP = datetime(2024, 1, 10, tzinfo=UTC), datetime(2024, 3, 20, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
#: The window of the end in minutes, its kind, and the seconds; None for an end without a begin.
Ended = tuple[int, str, int | None]
ENDED = st.lists(
    st.tuples(
        st.integers(int(START.timestamp()) // 60, int(STOP.timestamp()) // 60 - 1),
        st.sampled_from(["x", "y"]),
        st.none() | st.integers(0, 5) | st.integers(0, 300_000_000),
    ),
    max_size=60,
)
SLOW = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def lengths(make_bench: Make) -> Bench:
    """A bench with the functions of a table of durations."""
    bench = make_bench(Lengths)
    assert isinstance(bench.app.parts[0].plugin.schedule, Schedule)
    create_functions(bench.engine, bench.app.parts)
    return bench


def fill(bench: Bench, ended: list[Ended]) -> None:
    """Let the table have these durations and no others."""
    rows: dict[Any, list[int]] = defaultdict(lambda: [0, 0])
    for minute, kind, seconds in ended:
        row = rows[minute * 60, kind, bucket(seconds)]
        row[0] += 1
        row[1] += seconds or 0
    bench.execute("TRUNCATE test_lengths")
    for (start, kind, place), (volume, seconds) in rows.items():
        bench.execute(
            f"INSERT INTO test_lengths (timestamp, kind, who, bucket, volume, seconds) "
            f"VALUES (to_timestamp({start}), '{kind}', 'ann', {place}, {volume}, {seconds})"
        )


def at_rank(ended: list[Ended], q: float) -> int | None:
    """Return the duration whose rank is ceil(q·n), the first for 0."""
    lengths = sorted(seconds for _, _, seconds in ended if seconds is not None)
    rank = math.ceil(Fraction(str(q)) * len(lengths))
    return lengths[max(rank, 1) - 1] if lengths else None


def near(found: float | None, true: int | None) -> bool:
    return found == true if not true else found is not None and abs(found - true) <= true / 100


QUANTILES = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 0.99, 1.0])


@SLOW
@given(ended=ENDED, q=QUANTILES)
def test_a_quantile_of_a_range_is_within_one_percent(lengths: Bench, ended: list[Ended], q: float) -> None:
    fill(lengths, ended)
    question = f"SELECT volume, seconds FROM test_lengths_quantile('{START}', '{STOP}', {q})"
    ((volume, seconds),) = lengths.execute(question)
    assert volume == sum(each[2] is not None for each in ended)
    assert near(seconds, at_rank(ended, q))


@SLOW
@given(ended=ENDED, q=QUANTILES)
def test_quantiles_by_period_and_key(lengths: Bench, ended: list[Ended], q: float) -> None:
    fill(lengths, ended)
    found = lengths.execute(
        f"SELECT extract(epoch FROM timestamp)::bigint, kind, volume, seconds FROM test_lengths_quantile("
        f"'{START}', '{STOP}', {q}, 'week', 'Europe/Berlin', by => '{{kind}}')"
    )
    expected = []
    for period in periods(START, STOP, Step.WEEK, BERLIN):
        for kind in "xy":
            its = [
                e
                for e in ended
                if period.start <= e[0] * 60 < period.stop and e[1] == kind and e[2] is not None
            ]
            if its:
                expected.append((period.start, kind, len(its), at_rank(its, q)))
    assert [tuple(row[:3]) for row in found] == [row[:3] for row in expected]
    assert all(near(row[3], true[3]) for row, true in zip(found, expected, strict=True))


@SLOW
@given(ended=ENDED)
def test_sums_by_period(lengths: Bench, ended: list[Ended]) -> None:
    """Ends without a begin are counted apart, and have no seconds."""
    fill(lengths, ended)
    found = lengths.execute(
        "SELECT extract(epoch FROM timestamp)::bigint, volume, seconds, without_begin "
        f"FROM test_lengths_periods('{START}', '{STOP}', 'month', 'Europe/Berlin')"
    )
    expected = []
    for period in periods(START, STOP, Step.MONTH, BERLIN):
        its = [seconds for minute, _, seconds in ended if period.start <= minute * 60 < period.stop]
        known = [seconds for seconds in its if seconds is not None]
        expected.append((period.start, len(known), sum(known), len(its) - len(known)))
    assert [tuple(row) for row in found] == expected


@pytest.mark.parametrize("q", ["-0.1", "1.1", "NULL", "'NaN'"])
def test_what_is_no_quantile_is_refused(lengths: Bench, q: str) -> None:
    lengths.execute("INSERT INTO test_lengths VALUES (to_timestamp(0), 'x', 'ann', 1, 1, 1)")
    with pytest.raises(DBAPIError, match=r"q must be a number from 0 to 1, as 0\.5 for the median"):
        lengths.execute(f"SELECT * FROM test_lengths_quantile(to_timestamp(0), to_timestamp(60), {q})")


def test_what_has_not_ended_is_listed(lengths: Bench) -> None:
    """With what is known of it, unless it is given up by bus time, an end came later or it was there before."""
    flush(
        lengths,
        [
            Sent(100, "1", (("began", "old", "x", None), ("began", "ended", "x", None))),
            Sent(110, "2", (("began", "open", "x", None), ("ended", "other", "x", "ann"))),
            Sent(111, "3", (("began", "open", "y", "bob"), ("ended", "ended", "x", "ann"))),
            Sent(120, "4", (("began", "other", None, None), ("ended", "quick", "x", "ann"))),
            Sent(120, "5", (("began", "quick", None, None),)),
        ],
    )
    until = GIVE_UP + 101
    for covered, complete in ((10, True), (50, False)):
        lengths.execute(
            "UPDATE statscache_coverage SET covered = "
            f"tstzmultirange(tstzrange(to_timestamp({covered}), to_timestamp({until})))"
        )
        found = lengths.execute("SELECT * FROM test_lengths_unended()")
        assert [(row[0], int(row[1].timestamp()), *row[2:]) for row in found] == [
            ("open", 110, "x", None, complete or covered + GIVE_UP < until),
            ("other", 120, None, None, complete or covered + GIVE_UP < until),
        ]
    assert timedelta(seconds=GIVE_UP) == Lengths.give_up
