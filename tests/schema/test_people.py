"""Tables of counts with a person among their keys answer who came, stayed, came back and left, exactly."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from statscache.hosting.loader import Part
from statscache.plugins import (
    CountingPlugin,
    FirstSeenPlugin,
    Message,
    Schedule,
    counting_model,
    first_seen_model,
)
from statscache.query.periods import Period, Step, periods
from statscache.schema.bots import keep_bots
from statscache.schema.functions.create import create_functions
from tests.support.bench import Bench

Make = Callable[..., Bench]
HOUR = 3600
START, STOP = datetime(2024, 1, 10, tzinfo=UTC), datetime(2024, 6, 20, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


class Done(CountingPlugin):
    """Counts what people do; keys and columns of answers may have the same names."""

    name = summary = description = "done"
    model = counting_model(
        "test_done", "what is done", person="agent", agent="who", place="where", people="what"
    )

    def process(self, message: Message) -> None:
        raise NotImplementedError


Row = tuple[int, str, str, str, int]
ROWS = st.lists(
    st.tuples(
        st.integers(int(START.timestamp()) // HOUR - 2000, int(STOP.timestamp()) // HOUR + 500),
        st.sampled_from(["ann", "bob", "cem", "dee", "robot", "eve"]),
        st.sampled_from(["x", "y"]),
        st.sampled_from(["p", "q"]),
        st.integers(1, 5),
    ),
    max_size=60,
    unique_by=lambda row: row[:4],
).map(lambda rows: [(hour * HOUR, *rest) for hour, *rest in rows])


@pytest.fixture
def done(make_bench: Make) -> Bench:
    """A bench with the functions of a table with windows of an hour; robot is a bot."""
    bench = make_bench(Done)
    keep_bots(bench.engine, ["robot"])
    plugin = Done(Schedule(timedelta(hours=1)), {})
    create_functions(bench.engine, [Part("done", plugin, lambda: plugin)])
    return bench


def fill(bench: Bench, rows: list[Row]) -> None:
    """Let the table have these rows and no others."""
    bench.execute("TRUNCATE test_done")
    if rows:
        values = ", ".join(f"(to_timestamp({t}), '{a}', '{b}', '{c}', {v})" for t, a, b, c, v in rows)
        bench.execute(f"INSERT INTO test_done (timestamp, agent, place, people, volume) VALUES {values}")


def ask(bench: Bench, function: str, *arguments: Any, columns: str = "*") -> list[Any]:
    """Return what a function answers for the range, with instants as seconds."""
    given = ", ".join(["'2024-01-10+00'", "'2024-06-20+00'", *map(literal, arguments)])
    rows = bench.execute(f"SELECT {columns} FROM test_done_{function}({given})")
    return [tuple(int(c.timestamp()) if isinstance(c, datetime) else c for c in row) for row in rows]


def literal(value: Any) -> str:
    return "NULL" if value is None else f"'{value}'"


def its_periods(step: str, zone: ZoneInfo) -> list[Period]:
    return periods(START, STOP, Step(step), zone)


def inside(rows: list[Row], period: Period, place: str | None = None, people: str | None = None) -> list[Row]:
    """Return the rows of a period and of keys, without those of bots."""
    return [
        row
        for row in rows
        if period.start <= row[0] < period.stop
        and row[1] != "robot"
        and place in (None, row[2])
        and people in (None, row[3])
    ]


def who(rows: list[Row]) -> set[str]:
    return {row[1] for row in rows}


SLOW = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SLOW
@given(
    rows=ROWS, step=st.sampled_from(["day", "week", "month", "quarter"]), place=st.sampled_from([None, "x"])
)
def test_distinct_people_are_counted_once(done: Bench, rows: list[Row], step: str, place: str | None) -> None:
    """Of keys that are left NULL it is the union, and never a sum."""
    fill(done, rows)
    expected = [
        (p.start, place, None, len(who(inside(rows, p, place))), False) for p in its_periods(step, BERLIN)
    ]
    assert ask(done, "distinct", step, "Europe/Berlin", place) == expected


@SLOW
@given(rows=ROWS)
def test_keys_are_told_apart_where_that_is_asked_for(done: Bench, rows: list[Row]) -> None:
    fill(done, rows)
    expected = [
        (p.start, None, key, len(who(inside(rows, p, people=key))), False)
        for p in its_periods("month", BERLIN)
        for key in "pq"
        if [row for row in rows if p.start <= row[0] < p.stop and row[3] == key and row[1] != "robot"]
    ]
    assert ask(done, "distinct", "month", "Europe/Berlin", None, None, "{people}") == expected


@SLOW
@given(rows=ROWS, step=st.sampled_from(["week", "month", "quarter"]), place=st.sampled_from([None, "y"]))
def test_who_is_active_is_new_retained_or_returned(
    done: Bench, rows: list[Row], step: str, place: str | None
) -> None:
    """And whoever was active before and is not now has lapsed."""
    fill(done, rows)
    first: dict[str, int] = {}
    for row in sorted(inside(rows, Period(0, 2**40), place)):
        first.setdefault(row[1], row[0])
    shown = its_periods(step, BERLIN)
    all_of_them = periods(START - timedelta(days=100), STOP, Step(step), BERLIN)
    before = {b.start: a for a, b in pairwise(all_of_them)}
    expected = []
    for period in shown:
        now, then = who(inside(rows, period, place)), who(inside(rows, before[period.start], place))
        new = {person for person in now if first[person] >= period.start}
        expected.append(
            (period.start, len(now), len(new), len(now & then), len(now - then - new), len(then - now))
        )
    columns = "timestamp, active, new, retained, returned, lapsed"
    found = ask(done, "activity", step, "Europe/Berlin", place, columns=columns)
    assert found == expected
    assert all(active == new + retained + returned for _, active, new, retained, returned, _ in found)


@SLOW
@given(rows=ROWS, step=st.sampled_from(["month", "quarter", "year"]), place=st.sampled_from([None, "y"]))
def test_cohorts_are_a_triangle(done: Bench, rows: list[Row], step: str, place: str | None) -> None:
    fill(done, rows)
    first: dict[str, int] = {}
    for row in sorted(inside(rows, Period(0, 2**40), place)):
        first.setdefault(row[1], row[0])
    shown = its_periods(step, BERLIN)
    expected = []
    for n, cohort in enumerate(shown):
        came = {person for person, second in first.items() if cohort.start <= second < cohort.stop}
        for later, period in enumerate(shown[n:]):
            expected.append(
                (cohort.start, period.start, later, len(came & who(inside(rows, period, place))), False)
            )
    assert ask(done, "cohorts", step, "Europe/Berlin", place) == expected


@SLOW
@given(rows=ROWS, step=st.sampled_from([None, "month"]))
def test_the_fewest_who_did_half(done: Bench, rows: list[Row], step: str | None) -> None:
    fill(done, rows)
    whole = [Period(int(START.timestamp()), int(STOP.timestamp()))]
    expected = []
    for period in its_periods(step, BERLIN) if step else whole:
        each: Counter[str] = Counter()
        for row in inside(rows, period):
            each[row[1]] += row[4]
        total, count, done_by = sum(each.values()), 0, 0
        for _, volume in each.most_common():
            if 2 * done_by >= total:
                break
            done_by, count = done_by + volume, count + 1
        expected.append((period.start, count, len(each), total, False))
    assert ask(done, "half", step, "Europe/Berlin") == expected


@SLOW
@given(rows=ROWS, by=st.sampled_from(["{}", "{place}", "{people,agent}"]))
def test_volumes_by_period(done: Bench, rows: list[Row], by: str) -> None:
    """Tables keep bots, and so do sums."""
    fill(done, rows)
    sums: dict[Any, int] = defaultdict(int)
    shown = its_periods("month", BERLIN)
    for second, agent, place, people, volume in rows:
        for period in shown:
            if period.start <= second < period.stop:
                key = (agent if "agent" in by else None, place if "place" in by else None)
                sums[period.start, *key, people if "people" in by else None] += volume
    if by == "{}":
        sums |= {(p.start, None, None, None): 0 for p in shown if (p.start, None, None, None) not in sums}
    expected = sorted((*key, volume, False) for key, volume in sums.items())
    found = ask(done, "periods", "month", "Europe/Berlin", None, None, None, by)
    assert sorted(found, key=str) == sorted(expected, key=str)


def test_each_figure_says_what_it_needs(done: Bench) -> None:
    """New and returned need all time since ever, lapsed needs the period before; only what is over is complete."""
    fill(done, [])
    done.execute(
        "UPDATE statscache_coverage SET since = '2024-01-01+00', "
        "covered = '{[2024-01-01+00,2024-02-15+00),[2024-03-01+00,2024-05-10+00)}'"
    )
    flags = "timestamp::date, complete, complete_since_ever, complete_with_previous"
    found = done.execute(f"SELECT {flags} FROM test_done_activity('2024-01-01+00', '2024-06-01+00', 'month')")
    assert [tuple(row[1:]) for row in found] == [
        (True, True, False),
        (False, False, False),
        (True, False, False),
        (True, False, True),
        (False, False, False),
    ]
    triangle = done.execute(
        "SELECT DISTINCT complete FROM test_done_cohorts('2024-01-01+00', '2024-02-01+00')"
    )
    assert triangle == [(True,)]


def test_windows_that_do_not_make_up_a_period_are_told(done: Bench) -> None:
    with pytest.raises(
        DBAPIError, match="the windows of test_done, of 01:00:00 in UTC, do not make up each day of Asia"
    ):
        done.execute("SELECT * FROM test_done_distinct('2024-01-01', '2024-02-01', 'day', 'Asia/Kolkata')")


def test_a_key_that_is_not_there_is_told(done: Bench) -> None:
    with pytest.raises(
        DBAPIError,
        match=re.escape("by must name keys of test_done, which are {place,people}, and not {agent}"),
    ):
        done.execute("SELECT * FROM test_done_distinct('2024-01-01', '2024-02-01', by => '{agent}')")


class Newcomers(FirstSeenPlugin):
    """Notes when people were seen."""

    name = summary = description = "newcomers seen"
    model = first_seen_model("test_newcomer", "who is new", person="agent", agent="who", place="where")

    def process(self, message: Message) -> None:
        raise NotImplementedError


@pytest.fixture
def newcomers(make_bench: Make) -> Bench:
    """A bench with the functions of a table of first times; robot is a bot."""
    bench = make_bench(Newcomers)
    keep_bots(bench.engine, ["robot"])
    create_functions(bench.engine, bench.app.parts)
    return bench


@SLOW
@given(rows=ROWS, step=st.sampled_from([None, "week"]), place=st.sampled_from([None, "y"]))
def test_who_is_new_ever(newcomers: Bench, rows: list[Row], step: str | None, place: str | None) -> None:
    """Of the places that are asked for, each person is new once."""
    newcomers.execute("TRUNCATE test_newcomer")
    first: dict[tuple[str, str], int] = {}
    for second, agent, where, *_ in sorted(rows):
        first.setdefault((agent, where), second)
    for (agent, where), second in first.items():
        newcomers.execute(
            f"INSERT INTO test_newcomer VALUES ('{agent}', '{where}', to_timestamp({second}), now())"
        )
    whole = [Period(int(START.timestamp()), int(STOP.timestamp()))]
    expected = []
    for period in its_periods(step, BERLIN) if step else whole:
        people = [
            agent
            for agent in {a for a, there in first if a != "robot" and place in (None, there)}
            if period.start
            <= min(at for (who, where), at in first.items() if who == agent and place in (None, where))
            < period.stop
        ]
        expected.append((period.start, len(people)))
    given = ", ".join(map(literal, [START, STOP, step, "Europe/Berlin", place]))
    found = newcomers.execute(
        f"SELECT extract(epoch FROM timestamp)::bigint, new FROM test_newcomer_new({given})"
    )
    assert [tuple(row) for row in found] == expected
