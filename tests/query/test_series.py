"""Sums by period, against sums in Python, and of each whether it is complete."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, insert, text

from statscache.daemon import open_daemon
from statscache.hosting.loader import load
from statscache.query.errors import BadQuestion
from statscache.query.frame import Change, frame_of
from statscache.query.headline import read_headline
from statscache.query.missing import Reason
from statscache.query.periods import Step, period_of
from statscache.query.series import Series, read_series
from statscache.query.sql import sql_of
from statscache.query.statistics import Statistic, statistics
from statscache.query.tables import served
from statscache.query.view import View
from statscache.settings import read_settings
from tests.support.databases import new_database
from tests.support.place import ALL_ON

CATEGORIES = ["bodhi", "git", "odd \x1b[31m'\"%{}", "<script>", "=1+1", "ü" * 300]
START, NOW = datetime(2024, 3, 20, 7, 30, tzinfo=UTC), datetime(2024, 4, 3, 11, 20, 7, tzinfo=UTC)
GAP = datetime(2024, 3, 28, 1, tzinfo=UTC), datetime(2024, 3, 28, 4, 0, 1, tzinfo=UTC)
Made = dict[tuple[int, str], int]


@pytest.fixture(scope="module")
def made(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Made]]:
    """Tables of a fortnight with a gap, and what was counted in which second."""
    directory = tmp_path_factory.mktemp("series")
    with new_database(server) as url:
        config = {"statscache.sqlalchemy.uri": url, "statscache.spool.directory": str(directory / "spool")}
        assert open_daemon(config).finish(30)
        engine = create_engine(url)
        counts = traffic()
        with engine.begin() as connection:
            fill(connection, counts)
        yield engine, counts
        engine.dispose()


def traffic() -> Made:
    """Return how many messages of each category were sent in which second."""
    chance = random.Random(7)
    seconds = int((NOW - START).total_seconds())
    found: Made = Counter()
    for _ in range(3000):
        second = int(START.timestamp()) + chance.randrange(seconds)
        if not GAP[0].timestamp() <= second < GAP[1].timestamp():
            found[second, CATEGORIES[min(chance.randrange(8), 5)]] += chance.randrange(1, 5)
    return found


def fill(connection: Connection, counts: Made) -> None:
    for table in all_statistics()["volume-by-category"].tables:
        length = table.plugin.schedule.seconds  # type: ignore[union-attr]
        windows: Counter[tuple[int, str]] = Counter()
        for (second, category), count in counts.items():
            windows[second - second % length, category] += count
        rows = [
            {"timestamp": datetime.fromtimestamp(start, UTC), "category": category, "volume": count}
            for (start, category), count in windows.items()
        ]
        connection.execute(insert(table.table), rows)
    spans = f"{{[{START},{GAP[0]}),[{GAP[1]},{NOW})}}"
    connection.execute(
        text("UPDATE statscache_coverage SET covered = CAST(:spans AS tstzmultirange)"), {"spans": spans}
    )
    lost = {"first": GAP[0], "last": GAP[1] - timedelta(seconds=1), "noted": GAP[1]}
    connection.execute(
        text(
            "INSERT INTO statscache_gap (first, last, messages, reason, noted) VALUES (:first, :last, 5, 'x', :noted)"
        ),
        lost,
    )


def all_statistics() -> dict[str, Statistic]:
    config = {"statscache.sqlalchemy.uri": "postgresql://", "statscache.plugins.enabled": ALL_ON}
    return statistics(served(load(read_settings(config), config)))


def read(made: tuple[Engine, Made], view: View, ident: str = "volume-by-category") -> Series:
    with made[0].connect() as connection:
        return read_series(connection, frame_of(all_statistics()[ident], view, NOW, connection), NOW)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"])
@pytest.mark.parametrize("step", [Step.HOUR, Step.DAY, Step.WEEK, Step.MONTH])
@pytest.mark.parametrize("keys", [{}, {"category": ("git", CATEGORIES[2])}])
def test_sums_are_those_of_the_periods(
    made: tuple[Engine, Made], zone: str, step: Step, keys: dict[str, tuple[str, ...]]
) -> None:
    """Of the greatest keys, of all others, and in all; across a change of clocks, too."""
    view = View("month", step=step, zone=ZoneInfo(zone), by="category", top=3, keys=keys)
    series = read(made, view)
    assert series.frame.step is step
    expected: dict[str, Counter[int]] = defaultdict(Counter)
    for (second, category), count in made[1].items():
        if not keys or category in keys["category"]:
            start = period_of(datetime.fromtimestamp(second, UTC), step, ZoneInfo(zone)).start
            expected[category][start] += count
    inside = {period.start for period in series.periods}
    totals = {key: sum(each[start] for start in inside) for key, each in expected.items()}
    ranking = sorted(totals.items(), key=lambda its: (-its[1], its[0].encode()))
    assert sorted(series.ranked.keys, key=lambda its: (-its[1], its[0].encode())) == ranking
    assert series.ranked.count == len(ranking)
    for line in series.lines:
        others = {key for key, _ in series.ranked.keys[:3]}
        wanted = [line.key] if line.key is not None else [key for key in expected if key not in others]
        assert list(line.volumes) == [sum(expected[key][p.start] for key in wanted) for p in series.periods]
    assert sum(total or 0 for total in series.totals) == sum(totals.values())


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu"])
@pytest.mark.parametrize("step", [Step.MINUTE, Step.HOUR, Step.DAY])
def test_a_period_is_complete_if_all_of_it_was_counted(
    made: tuple[Engine, Made], zone: str, step: Step
) -> None:
    start, stop = GAP[0] - timedelta(hours=12), GAP[1] + timedelta(hours=12)
    series = read(made, View(start=start, stop=stop, step=step, zone=ZoneInfo(zone)))
    for period, whole, missing in zip(series.periods, series.complete, series.missing, strict=True):
        touched = period.start < GAP[1].timestamp() and period.stop > GAP[0].timestamp()
        assert whole != touched
        assert [each.reason for each in missing] == ([Reason.LOST] if touched else [])
    assert not all(series.complete)
    assert any(series.complete)


def test_what_is_not_over_is_not_complete_nor_is_what_nobody_counted(made: tuple[Engine, Made]) -> None:
    series = read(made, View("quarter", step=Step.DAY))
    assert [each.reason for each in series.missing[0]] == [Reason.UNCOUNTED]
    assert [each.reason for each in series.missing[-1]] == [Reason.UNFINISHED]
    assert not series.complete[-1]


def test_a_removed_row_and_a_message_in_quarantine_make_a_period_incomplete(
    made: tuple[Engine, Made],
) -> None:
    with made[0].connect() as connection:
        connection.execute(text("INSERT INTO statscache_quarantine_body VALUES ('x', '{}')"))
        connection.execute(
            text(
                "INSERT INTO statscache_quarantine SELECT ident, 'x', 't', :when, 'e', '', now(), now(), 1, NULL "
                "FROM statscache_plugin WHERE ident LIKE 'volume-by-category-%'"
            ),
            {"when": datetime(2024, 3, 22, 12, tzinfo=UTC)},
        )
        removal = "DELETE FROM {} WHERE timestamp >= '2024-03-24' AND timestamp < '2024-03-25'"
        for table in all_statistics()["volume-by-category"].tables:
            connection.execute(text(removal.format(table.table.name)))
        frame = frame_of(
            all_statistics()["volume-by-category"], View("month", step=Step.DAY), NOW, connection
        )
        series = read_series(connection, frame, NOW)
        days = {
            datetime.fromtimestamp(period.start, UTC).day: place
            for place, period in enumerate(series.periods)
        }
        for day, reason in ((22, Reason.QUARANTINED), (24, Reason.REMOVED)):
            assert not series.complete[days[day]]
            assert [each.reason for each in series.missing[days[day]]] == [reason]
        assert series.missing[days[22]][0].messages == 1


@pytest.mark.parametrize("step", [Step.HOUR, Step.DAY])
def test_what_is_lost_while_sums_are_read_is_not_complete(made: tuple[Engine, Made], step: Step) -> None:
    """Each statement sees what is committed by then, so that a loss can come between two of them."""
    view = View(start=NOW - timedelta(days=3), stop=NOW - timedelta(days=2), step=step)
    assert all(read(made, view).complete)
    update = text("UPDATE statscache_coverage SET covered = covered - CAST(:lost AS tstzmultirange)")
    lost = {"lost": f"{{[{NOW - timedelta(days=3)},{NOW - timedelta(days=2)})}}"}
    with made[0].begin() as connection:
        kept = connection.execute(text("SELECT plugin, covered::text FROM statscache_coverage")).all()

    def lose(connection: Any, cursor: Any, statement: str, *others: Any) -> None:
        if "width_bucket" in statement:
            with made[0].begin() as other:
                other.execute(update, lost)

    event.listen(made[0], "before_cursor_execute", lose)
    try:
        assert not any(read(made, view).complete)
    finally:
        event.remove(made[0], "before_cursor_execute", lose)
        back = text(
            "UPDATE statscache_coverage SET covered = CAST(:covered AS tstzmultirange) WHERE plugin = :plugin"
        )
        with made[0].begin() as connection:
            connection.execute(back, [{"plugin": plugin, "covered": covered} for plugin, covered in kept])


def test_the_coarsest_table_that_divides_the_periods_is_read(made: tuple[Engine, Made]) -> None:
    def table(view: View) -> str:
        return read(made, view).frame.table.ident

    assert table(View("month", step=Step.DAY)) == "volume-by-category-1d"
    assert table(View("month", step=Step.DAY, zone=ZoneInfo("Europe/Berlin"))) == "volume-by-category-1h"
    assert table(View("month", step=Step.DAY, zone=ZoneInfo("Asia/Kathmandu"))) == "volume-by-category-1m"
    assert table(View("day", step=Step.MINUTE)) == "volume-by-category-1m"


def test_what_no_window_divides_is_shown_in_utc_and_says_so(made: tuple[Engine, Made]) -> None:
    series = read(made, View("month", step=Step.DAY, zone=ZoneInfo("Europe/Berlin")), "pagure-contributions")
    assert str(series.frame.view.zone) == "UTC"
    assert Change.IN_UTC in series.frame.changes


def test_too_many_points_become_a_coarser_step_and_it_says_so(made: tuple[Engine, Made]) -> None:
    series = read(made, View("month", step=Step.MINUTE))
    assert series.frame.step is Step.HOUR
    assert Change.COARSER in series.frame.changes
    with pytest.raises(BadQuestion):
        read(made, View(start=datetime(1, 1, 1, tzinfo=UTC), stop=NOW))


def test_a_range_is_compared_with_as_many_periods_before(made: tuple[Engine, Made]) -> None:
    series = read(made, View("week", step=Step.DAY, compare="before"))
    assert len(series.frame.compared) == len(series.periods)
    assert series.frame.compared[-1].stop == series.periods[0].start
    assert series.before is not None
    first, last = series.frame.compared[0].start, series.frame.compared[-1].stop
    assert sum(volume or 0 for volume in series.before.volumes) == sum(
        count for (second, _), count in made[1].items() if first <= second < last
    )
    year = read(made, View("week", step=Step.DAY, compare="year"))
    assert datetime.fromtimestamp(year.frame.compared[0].start, UTC).year == 2023
    assert year.before_complete == (False,) * len(year.periods)


def test_the_headline_is_of_the_last_complete_period(made: tuple[Engine, Made]) -> None:
    statistic = all_statistics()["volume-by-category"]
    with made[0].connect() as connection:
        its = read_headline(connection, statistic, ZoneInfo("UTC"), NOW)
        assert datetime.fromtimestamp(its.period.start, UTC) == datetime(2024, 4, 2, tzinfo=UTC)
        assert its.complete
        assert its.change is not None
        connection.execute(text("UPDATE statscache_coverage SET covered = '{}'"))
        its = read_headline(connection, statistic, ZoneInfo("UTC"), NOW)
        assert (its.complete, its.change) == (False, None)
        assert its.period.stop > NOW.timestamp()


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu"])
@pytest.mark.parametrize("step", [Step.HOUR, Step.DAY, Step.WEEK, Step.MONTH])
def test_the_sql_that_is_shown_gives_the_same(made: tuple[Engine, Made], zone: str, step: Step) -> None:
    keys: dict[str, Any] = {"category": tuple(CATEGORIES)}
    series = read(made, View("month", step=step, zone=ZoneInfo(zone), by="category", keys=keys))
    sums = {
        (period.start, line.key): volume
        for line in series.lines
        for period, volume in zip(series.periods, line.volumes, strict=True)
        if volume
    }
    with made[0].connect() as connection:
        found = connection.exec_driver_sql(
            sql_of(series.frame).replace(";", ""), execution_options={"no_parameters": True}
        )
        rows = {(int(start.timestamp()), key): int(volume) for start, key, volume in found}
    assert {its: volume for its, volume in sums.items() if its[1] is not None} == {
        its: volume for its, volume in rows.items() if its[1] in {line.key for line in series.lines}
    }
    assert "\x1b" not in sql_of(series.frame)
