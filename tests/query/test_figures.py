"""The figures of statistics of every kind, against a program that knows what has happened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from statscache.query.errors import BadQuestion
from statscache.query.frame import frame_of
from statscache.query.headline import read_headline
from statscache.query.missing import Reason
from statscache.query.periods import Step, period_of
from statscache.query.series import Series, read_series
from statscache.query.sql import sql_of
from statscache.query.view import View, keys_for, view_of
from tests.support.kinds import EVER, FIGURES, ORACLE, Event, Kinds, agrees, counted, kinds

BERLIN = ZoneInfo("Europe/Berlin")
PLACES = {"agent": 1, "category": 2, "kind": 3}
CHOSEN: list[dict[str, tuple[str, ...]]] = [
    {},
    {"kind": ("new",)},
    {"category": ("git", "copr"), "kind": ("old", "new")},
]


@pytest.fixture(scope="module")
def made(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kinds]:
    """Tables of each kind."""
    with kinds(server, tmp_path_factory.mktemp("figures")) as its:
        yield its


def read(made: Kinds, ident: str, view: View) -> Series:
    with made.engine.connect() as connection:
        frame = frame_of(made.statistics[ident], view, made.now, connection)
        return read_series(connection, frame, made.now)


def by_period(made: Kinds, ident: str, view: View, by: str | None) -> dict[Any, list[Event]]:
    """Return what has happened by period and key, and by key alone."""
    found: dict[Any, list[Event]] = defaultdict(list)
    wanted = (
        event
        for event in made.events[ident]
        if all(event[PLACES[column]] in values for column, values in view.keys.items())
    )
    for event in counted(ident, wanted, PLACES[by] if by else None):
        assert view.step is not None
        start = period_of(datetime.fromtimestamp(event[0], UTC), view.step, view.zone).start
        found[start, event[PLACES[by]] if by else None].append(event)
    return found


@pytest.mark.parametrize(("ident", "figure"), FIGURES)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("by", ["category", None])
@pytest.mark.parametrize("keys", CHOSEN)
def test_figures_are_those_of_what_happened(
    made: Kinds, ident: str, figure: str, zone: str, by: str | None, keys: dict[str, tuple[str, ...]]
) -> None:
    """Of the greatest keys, of all others where they add up, and in all; and where there was nothing, there is none."""
    for step in (Step.DAY, Step.WEEK):
        view = View("month", step=step, zone=ZoneInfo(zone), by=by, top=2, keys=keys, figure=figure)
        series, oracle = read(made, ident, view), ORACLE[ident][figure]
        happened = by_period(made, ident, view, by)
        starts, together = [period.start for period in series.periods], by_period(made, ident, view, None)
        everything = [together.get((at, None), []) for at in starts]
        assert all(
            agrees(figure, its, oracle(rows)) for its, rows in zip(series.totals, everything, strict=True)
        )
        assert (None in series.totals) == (oracle([]) is None and [] in everything)
        shown = [line.key for line in series.lines if line.key is not None]
        for line in series.lines:
            if by and line.key is not None:
                rows = [happened.get((at, line.key), []) for at in starts]
                assert all(
                    agrees(figure, its, oracle(each)) for its, each in zip(line.volumes, rows, strict=True)
                )
        adds_up = series.frame.figure.adds_up
        assert any(line.rest for line in series.lines) == (
            adds_up and by is not None and series.ranked.count > len(shown)
        )
        check_ranking(made, series, happened, starts)


def check_ranking(made: Kinds, series: Series, happened: Any, starts: list[int]) -> None:
    """Check that the greatest come first, each with its figure over the whole range."""
    figure, oracle = series.frame.figure.name, ORACLE[series.frame.statistic.ident][series.frame.figure.name]
    for key, value in series.ranked.keys:
        rows = [
            event
            for (start, its), events in happened.items()
            if its == key and start in starts
            for event in events
        ]
        assert agrees(figure, value, oracle(rows))
    values = [value for _, value in series.ranked.keys]
    assert values == sorted(values, reverse=True)  # type: ignore[type-var]
    assert [line.key for line in series.lines if line.key] == [key for key, _ in series.ranked.keys[:2]]


@pytest.mark.parametrize(("ident", "figure"), FIGURES)
@pytest.mark.parametrize("by", ["category", None])
@pytest.mark.parametrize("keys", [{}, {"category": ("git", "o'dd\x1b%(x)s")}, {"kind": ("new",)}])
def test_the_sql_that_is_shown_gives_the_same(
    made: Kinds, ident: str, figure: str, by: str | None, keys: dict[str, tuple[str, ...]]
) -> None:
    view = View("month", step=Step.DAY, zone=BERLIN, by=by, top=8, keys=keys, figure=figure)
    series = read(made, ident, view)
    statement = sql_of(series.frame)
    with made.engine.connect() as connection:
        found = connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
        rows = {(int(row[0].timestamp()), row[1] if by else None): row._mapping[figure] for row in found}
    nothing = series.frame.figure.nothing
    for line in series.lines:
        for period, value in zip(series.periods, line.volumes, strict=True):
            assert agrees(figure, rows.get((period.start, line.key), nothing), value)
    assert "\x1b" not in statement
    assert ("_distinct(" in statement) == (
        figure == "people" and "kind" not in keys and ("category" not in keys or bool(by))
    )


@pytest.mark.parametrize(("ident", "figure"), FIGURES)
def test_a_headline_is_that_of_the_last_complete_day(made: Kinds, ident: str, figure: str) -> None:
    with made.engine.connect() as connection:
        its = read_headline(connection, made.statistics[ident], BERLIN, made.now, figure=figure)
    happened = by_period(made, ident, View(step=its.step, zone=BERLIN), None)
    assert its.complete
    assert agrees(figure, its.figure, ORACLE[ident][figure](happened[its.period.start, None]))
    assert its.period.stop <= made.now.timestamp()


def test_people_are_not_told_apart_by_who_they_are_nor_shared(made: Kinds) -> None:
    """A message is: then each name has its own line."""
    statistic = made.statistics["deeds"]
    assert keys_for(statistic, statistic.figure("people")) == ["category", "kind"]
    assert view_of(statistic, {"figure": "people"}).by == "category"
    assert view_of(statistic, {}).by == "agent"
    with pytest.raises(BadQuestion, match="not told apart by agent"):
        view_of(statistic, {"figure": "people", "by": "agent"})
    with pytest.raises(BadQuestion, match="no shares"):
        view_of(statistic, {"figure": "people", "share": "1"})


def test_a_comparison_is_of_the_same_figure(made: Kinds) -> None:
    view = View("week", step=Step.DAY, compare="before", figure="p90")
    series = read(made, "lengths", view)
    assert series.before is not None
    happened = by_period(made, "lengths", view, None)
    for period, value in zip(series.frame.compared, series.before.volumes, strict=True):
        assert agrees("p90", value, ORACLE["lengths"]["p90"](happened[period.start, None]))


@pytest.mark.parametrize(
    ("ident", "keys"),
    [
        ("arrivals", {}),
        ("arrivals", {"category": ("git",)}),
        ("arrivals", {"category": ("git",), "kind": ("new",)}),
        ("sightings", {}),
    ],
)
@pytest.mark.parametrize("step", [Step.HOUR, Step.DAY, Step.WEEK, Step.MONTH])
def test_what_is_new_is_what_the_function_of_the_table_says(
    made: Kinds, ident: str, keys: dict[str, tuple[str, ...]], step: Step
) -> None:
    """Cell by cell, and of each whether it is complete."""
    series = read(made, ident, View("month", step=step, zone=BERLIN, keys=keys))
    ends = [datetime.fromtimestamp(end, UTC) for end in (series.periods[0].start, series.periods[-1].stop)]
    given = {f"key{place}": keys.get(name, (None,))[0] for place, name in ((1, "category"), (2, "kind"))}
    arguments = ", key1 => :key1, key2 => :key2" if ident == "arrivals" else ""
    called = f"test_kinds_{ident}_new(:start, :stop, :step, 'Europe/Berlin'{arguments})"
    statement = text(f"SELECT extract(epoch FROM timestamp)::bigint, new, complete FROM {called}")
    with made.engine.connect() as connection:
        rows = connection.execute(
            statement, {"start": ends[0], "stop": ends[1], "step": str(step), **given}
        ).all()
    starts = [period.start for period in series.periods]
    assert rows == list(zip(starts, series.totals, series.complete, strict=True))
    assert sum(series.totals) > 0  # type: ignore[arg-type]


def test_what_is_new_needs_all_time_before(made: Kinds) -> None:
    """After a gap none is known, and the reason is that of the time before."""
    for ident in EVER:
        series = read(made, ident, View("week", step=Step.HOUR))
        found = list(zip(series.complete, series.missing, strict=True))
        whole = series.complete.count(True)
        assert series.complete == (True,) * whole + (False,) * (len(found) - whole)
        reasons = [[each.reason for each in missing] for _, missing in found[whole:]]
        assert reasons[:12] == [[Reason.UNCOUNTED]] * 12
        assert [Reason.BEFORE] in reasons[12:14]
        assert reasons[-1] == [Reason.UNFINISHED]
        assert all(read(made, "deeds", View("week", step=Step.HOUR)).complete[whole + 13 : -1])


def test_a_period_of_durations_needs_what_came_before_it(made: Kinds) -> None:
    """The begins of what ends in it may be in the gap."""
    today = made.now.replace(hour=0, minute=0, second=0)
    view = View(start=today - timedelta(hours=60), stop=today - timedelta(hours=12), step=Step.HOUR)
    assert not any(read(made, "lengths", view).complete)
    assert all(read(made, "deeds", view).complete)
