"""The answers of docs/querying/cookbook.md are those that plain Python works out, over a change of the clocks."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, Engine, create_engine, insert

from statscache.daemon import open_daemon
from statscache.database.lock import counting
from statscache.plugins import Base
from statscache.span import Span
from statscache.spool.loss import Loss
from statscache.store.coverage import cover
from statscache.store.gaps import record_loss
from tests.support.databases import new_database
from tests.support.examples import page

BERLIN = ZoneInfo("Europe/Berlin")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: Two days after Berlin's clocks were put forward. The tables begin two months before.
NOW = datetime(2024, 4, 2, 10, 30, tzinfo=UTC)
START = datetime(2024, 2, 1, tzinfo=UTC)
#: An hour of which nothing is known, and a second of which a message was lost.
GAP = datetime(2024, 3, 10, 5, tzinfo=UTC)
#: So much of the time up to NOW is not complete.
YOUNG = timedelta(minutes=5)
CATEGORIES = "abcdefgh"
#: Each answer, by its question.
QUESTIONS = dict(
    part.split("\n", 1)
    for part in re.split(r"^##+ ", page("docs/querying/cookbook.md").text, flags=re.MULTILINE)
    if part.partition("\n")[0].endswith("?")
)

Hours = dict[datetime, Counter[str]]
Ask = Callable[..., list[tuple[Any, ...]]]


def hours() -> Hours:
    """Return made-up counts of each hour: ever fewer of later categories, and of the last none on most days."""
    found: Hours = {}
    number = 0
    while START + number * HOUR <= NOW:
        counts = {
            category: (number * 7919 + index * 104729) % (60 // (index + 1))
            for index, category in enumerate(CATEGORIES)
        }
        counts["h"] = int(number % 71 == 0)
        found[START + number * HOUR] = Counter({key: count for key, count in counts.items() if count})
        number += 1
    return found


HOURS = hours()


def days(category: str | None = None) -> Counter[datetime]:
    """Return the counts of each day in UTC, of one category or of all."""
    found: Counter[datetime] = Counter()
    for start, counts in HOURS.items():
        found[start.replace(hour=0)] += counts.total() if category is None else counts[category]
    return found


def is_complete(start: datetime, stop: datetime) -> bool:
    """Return whether a time is one of which everything is known."""
    return stop <= NOW - YOUNG and not (start < GAP + HOUR and stop > GAP)


@pytest.fixture(scope="module")
def filled(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A database with those counts."""
    spool = str(tmp_path_factory.mktemp("spool"))
    with new_database(server) as url:
        settings = {"statscache.consumer.epoch": START, "statscache.spool.directory": spool}
        daemon = open_daemon({"statscache.sqlalchemy.uri": url, **settings})
        with counting(daemon.engine) as connection:
            _fill(connection)
            plugins = daemon.writer.plugins
            cover(connection, plugins, Span(_second(START), _second(GAP)))
            cover(connection, plugins, Span(_second(GAP + HOUR), _second(NOW - YOUNG)))
            record_loss(connection, [], "a spool", Loss(3, GAP.timestamp() + 60, GAP.timestamp() + 90))
        daemon.engine.dispose()
        engine = create_engine(url)
        with engine.connect() as connection:
            yield connection
        engine.dispose()


def _second(when: datetime) -> int:
    return int(when.timestamp())


def _fill(connection: Connection) -> None:
    by_day: defaultdict[datetime, Counter[str]] = defaultdict(Counter)
    for start, counts in HOURS.items():
        by_day[start.replace(hour=0)] += counts
    for length, windows in (("1h", HOURS), ("1d", by_day)):
        rows = [
            {"timestamp": start, "category": category, "volume": volume}
            for start, counts in windows.items()
            for category, volume in counts.items()
        ]
        connection.execute(insert(Base.metadata.tables[f"data_volume_by_category_{length}"]), rows)


@pytest.fixture
def ask(filled: Connection) -> Ask:
    """Asks a question of the cookbook, as if it were NOW, about another category if it is told which."""

    def ask(title: str, category: str = "") -> list[tuple[Any, ...]]:
        query = re.search(r"```sql\n(.*?)```", QUESTIONS[title], re.DOTALL)
        assert query is not None
        statement = query[1].replace("now()", f"timestamptz '{NOW.isoformat()}'")
        for other in ("'bodhi'", "'planet'"):
            statement = statement.replace(other, f"'{category}'")
        result = filled.exec_driver_sql(statement, execution_options={"no_parameters": True})
        return [tuple(row) for row in result]

    return ask


def test_there_are_fifteen_questions_each_with_what_to_watch_for() -> None:
    """Each heading is a question, its answer SQL or a program, and a sentence says what to watch for."""
    assert len(QUESTIONS) >= 15
    for title, answer in QUESTIONS.items():
        assert "```" in answer, title
        assert "\n**Watch:** " in answer, title


def test_local_days(ask: Ask) -> None:
    """A day of Berlin has its own hours: 23 on the day on which the clocks are put forward."""
    messages: Counter[date] = Counter()
    for start, counts in HOURS.items():
        messages[start.astimezone(BERLIN).date()] += counts.total()
    expected = []
    for n in range(31):
        day = date(2024, 3, 3) + n * DAY
        start, stop = (
            datetime.combine(d, datetime.min.time(), BERLIN).astimezone(UTC) for d in (day, day + DAY)
        )
        expected.append((day, messages[day], (stop - start) // HOUR, is_complete(start, stop)))
    assert ask("How many messages on each day in Berlin?") == expected
    assert [row[2] for row in expected if row[0] == date(2024, 3, 31)] == [23]


def test_days(ask: Ask) -> None:
    """A day of UTC is a row, and complete if all of it is."""
    start = datetime(2024, 3, 3, tzinfo=UTC)
    expected = [(day.date(), n, is_complete(day, day + DAY)) for day, n in days().items() if day >= start]
    assert ask("How many messages a day?") == expected


def test_iso_weeks(ask: Ask) -> None:
    """Weeks are those of the calendar of ISO 8601."""
    weeks: Counter[str] = Counter()
    for day, count in days().items():
        year, week, _ = day.isocalendar()
        weeks[f"{year}-W{week:02}"] += count
    assert ask("How many messages in each ISO week?") == [
        (w, weeks[w]) for w in sorted(weeks) if w >= "2024-W06"
    ]


def test_months(ask: Ask) -> None:
    """Each month has its sum, its days and the mean of a day."""
    rows = ask("How many messages a month, and how many a day in it?")
    assert [row[0].month for row in rows] == [2, 3, 4]
    for month, messages, number, a_day in rows:
        its = [count for day, count in days().items() if (day.year, day.month) == (month.year, month.month)]
        assert (messages, number, a_day) == (sum(its), len(its), round(sum(its) / len(its)))


def test_growth(ask: Ask) -> None:
    """A week is compared with the one before, and the present one is left out."""
    weeks: Counter[datetime] = Counter()
    for day, count in days().items():
        weeks[day - day.weekday() * DAY] += count
    rows = ask("How much did each week grow against the one before?")
    assert [row[0].date() for row in rows] == [date(2024, 2, 5) + n * 7 * DAY for n in range(8)]
    assert rows[0][2] is None
    for (_, before, _), (week, messages, growth) in pairwise(rows):
        assert messages == weeks[week.astimezone(UTC)]
        assert float(growth) == pytest.approx(100 * float(messages) / float(before) - 100, abs=0.051)


def test_two_periods(ask: Ask) -> None:
    """Both are 168 hours long, one right after the other, and neither has the present hour."""
    stop = NOW.replace(minute=0)
    expected = {category: [0, 0] for category in CATEGORIES}
    for start, counts in HOURS.items():
        if stop - 336 * HOUR <= start < stop:
            for category, count in counts.items():
                expected[category][start >= stop - 168 * HOUR] += count
    assert {row[0]: list(row[1:]) for row in ask("How do two periods compare?")} == expected


def test_the_moving_average(ask: Ask) -> None:
    """It is that of seven days, quiet ones included; a day that nobody knows makes it incomplete."""
    volumes = days("h")
    start = datetime(2024, 3, 3, tzinfo=UTC)
    rows = ask("What is the moving average over seven days?", "h")
    assert len(rows) == 31
    for n, (day, volume, average, complete) in enumerate(rows):
        last = [start + m * DAY for m in range(max(0, n - 6), n + 1)]
        assert (day, volume) == (last[-1].date(), volumes[last[-1]])
        assert float(average) == pytest.approx(sum(volumes[d] for d in last) / len(last), abs=0.051)
        assert complete == (len(last) == 7 and all(is_complete(d, d + DAY) for d in last))


def test_percentiles(ask: Ask) -> None:
    """The median is that of all complete hours, those without messages included."""
    first = NOW.replace(minute=0) - 14 * DAY
    known = [start for start in HOURS if start >= first and is_complete(start, start + HOUR)]
    rows = ask("What are the median and the percentiles of an hour?")
    assert {row[0] for row in rows} == set(CATEGORIES)
    for category, middle, _, greatest, number in rows:
        volumes = [HOURS[start][category] for start in known]
        assert (middle, greatest, number) == (median(volumes), max(volumes), len(volumes))


def test_the_heat_map(ask: Ask) -> None:
    """Each cell is an hour of the week in Berlin, over four whole weeks."""
    cells: Counter[tuple[int, int]] = Counter()
    for start, counts in HOURS.items():
        local = start.astimezone(BERLIN)
        if date(2024, 3, 4) <= local.date() < date(2024, 4, 1):
            cells[local.hour, local.isoweekday()] += counts.total()
    expected = [(hour, *(cells[hour, day] for day in range(1, 8))) for hour in range(24)]
    assert ask("Which hours of the week are the busiest?") == expected


def test_shares_and_the_rest(ask: Ask) -> None:
    """Shares add up to 100, and the top five and the rest to all there is."""
    first = NOW.replace(minute=0) - 7 * DAY
    volumes = sum((counts for start, counts in HOURS.items() if start >= first), Counter[str]())
    shares = ask("What share of all messages has each category?")
    assert {row[0]: row[1] for row in shares} == volumes
    assert float(sum(row[2] for row in shares)) == pytest.approx(100, abs=0.5)
    top = volumes.most_common(5)
    rest = volumes.total() - sum(count for _, count in top)
    assert ask("What are the top five, and the rest together?") == [*top, ("the rest", rest)]


def test_running_totals(ask: Ask) -> None:
    """The last total of a month is its sum."""
    rows = ask("How many messages have there been this month so far?")
    assert [row[2] for row in rows] == [
        sum(count for day, count in days().items() if datetime(2024, 4, 1, tzinfo=UTC) <= day <= last)
        for last in (datetime(2024, 4, 1, tzinfo=UTC), datetime(2024, 4, 2, tzinfo=UTC))
    ]


def test_first_seen(ask: Ask) -> None:
    """It is the first window that has the key."""
    first = {category: min(s for s, counts in HOURS.items() if counts[category]) for category in CATEGORIES}
    assert dict(ask("When was each category first seen?")) == first


def test_what_is_incomplete(ask: Ask) -> None:
    """A gap is told apart from what is too young, and one in which messages were lost says so."""
    rows = [row[1:] for row in ask("What is incomplete, and why?") if row[0] == "data_volume_by_category_1h"]
    assert rows == [(NOW - YOUNG, NOW, "not yet"), (GAP, GAP + HOUR, "messages were lost")]


def test_quiet_days_and_days_not_known(ask: Ask) -> None:
    """A day without a row is quiet if it is complete, else it is not known."""
    rows = ask("Which days were quiet, and which are not known?", "h")
    start = datetime(2024, 3, 3, tzinfo=UTC)
    expected = [
        (day.date(), "quiet" if is_complete(day, day + DAY) else "not known")
        for day, count in days("h").items()
        if day >= start and not count
    ]
    assert rows == expected
    assert {row[1] for row in rows} == {"quiet", "not known"}
