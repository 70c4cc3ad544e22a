"""The periods that SQL gives are those of `statscache.query.periods`, for every zone whose clocks PostgreSQL knows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from statscache.database.lock import counting
from statscache.query.periods import Step, periods, zone_names
from statscache.schema.functions.calendar import definitions
from statscache.schema.objects import see_to
from tests.support.databases import new_database

#: What clocks show when they change, and how far they are ahead before and after.
Kind = tuple[time, int, int]
FIRST, LAST = datetime(1970, 1, 12, tzinfo=UTC), datetime(2037, 12, 20, tzinfo=UTC)
ASK = text(
    "SELECT extract(epoch FROM begins)::bigint, extract(epoch FROM ends)::bigint "
    "FROM statscache_periods(:start, :stop, :step, :zone)"
)
#: Days that lie a week apart, between which clocks do not change and change back again.
WEEKS = [datetime(1970, 1, 1, 12, tzinfo=UTC) + timedelta(weeks=n) for n in range(3_548)]
#: How far PostgreSQL's clocks are ahead, in seconds, on these days.
AHEAD = text(
    "SELECT extract(epoch FROM (noon AT TIME ZONE :zone) - (noon AT TIME ZONE 'UTC'))::bigint "
    "FROM generate_series(timestamptz '1970-01-01 12:00+00', '2037-12-24 12:00+00', '7 days') AS noon"
)


@pytest.fixture(scope="module")
def connection(server: Engine) -> Iterator[Connection]:
    """A connection to a database that has the functions."""
    with new_database(server) as url:
        engine = create_engine(url)
        with counting(engine) as connection:
            see_to(connection, definitions("public"))
        with engine.connect() as connection:
            yield connection
        engine.dispose()


def asked(
    connection: Connection, start: datetime, stop: datetime, step: Step, zone: str
) -> list[tuple[int, int]]:
    """Return the periods that SQL gives."""
    given = {"start": start, "stop": stop, "step": step.value, "zone": zone}
    return [tuple(row) for row in connection.execute(ASK, given)]  # type: ignore[misc]


def expected(start: datetime, stop: datetime, step: Step, zone: str) -> list[tuple[int, int]]:
    return [(its.start, its.stop) for its in periods(start, stop, step, ZoneInfo(zone))]


def ahead_of_utc(when: datetime, zone: ZoneInfo) -> int:
    """Return how far a zone's clocks are ahead of UTC, in seconds."""
    offset = when.astimezone(zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def change_after(when: datetime, zone: ZoneInfo) -> datetime:
    """Return the second at which a zone's clocks change in the week after an instant."""
    low, high, before = 0, 7 * 86_400, ahead_of_utc(when, zone)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (middle, high)
            if ahead_of_utc(when + timedelta(seconds=middle), zone) == before
            else (low, middle)
        )
    return when + timedelta(seconds=high)


def kinds_of_change(zone: ZoneInfo, ahead: list[int]) -> dict[Kind, datetime]:
    """Return a time at which clocks change, of each way in which they do: what they show, and by how much."""
    found: dict[Kind, datetime] = {}
    for week, before, after in zip(WEEKS, ahead, ahead[1:], strict=False):
        if before != after:
            when = change_after(week, zone)
            found[when.astimezone(zone).time(), before, after] = when
    return found


def different_zones(connection: Connection) -> dict[str, dict[Kind, datetime]]:
    """Return when clocks change, for one zone of each kind of which PostgreSQL knows the same as we do."""
    known = set(connection.scalars(text("SELECT name FROM pg_timezone_names")))
    found: dict[tuple[int, ...], str] = {}
    for name in sorted(zone_names() & known):
        ahead = [ahead_of_utc(week, ZoneInfo(name)) for week in WEEKS]
        if tuple(ahead) not in found and ahead == list(connection.scalars(AHEAD, {"zone": name})):
            found[tuple(ahead)] = name
    return {name: kinds_of_change(ZoneInfo(name), list(ahead)) for ahead, name in found.items()}


def test_every_zone_has_the_same_periods(connection: Connection) -> None:
    """Months are compared from 1970 to 2037, shorter ones around each way in which clocks change anywhere."""
    zones = different_zones(connection)
    assert len(zones) > 250
    around, seen = timedelta(days=2), set()
    for zone, changes in zones.items():
        assert asked(connection, FIRST, LAST, Step.MONTH, zone) == expected(FIRST, LAST, Step.MONTH, zone), (
            zone
        )
        for kind, when in changes.items():
            for step in (Step.HOUR, Step.DAY) if kind not in seen else ():
                span = max(when - around, FIRST), min(when + around, LAST)
                assert asked(connection, *span, step, zone) == expected(*span, step, zone), (zone, step, when)
            seen.add(kind)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Tehran", "Pacific/Apia"])
@pytest.mark.parametrize("step", [Step.DAY, Step.WEEK, Step.QUARTER, Step.YEAR])
def test_a_zone_has_the_same_periods_at_all_times(connection: Connection, step: Step, zone: str) -> None:
    assert asked(connection, FIRST, LAST, step, zone) == expected(FIRST, LAST, step, zone)


@pytest.mark.parametrize("step", list(Step))
@pytest.mark.parametrize("zone", ["UTC", "Australia/Lord_Howe", "Africa/Monrovia", "Pacific/Apia"])
def test_a_range_has_those_periods_that_have_a_part_of_it(
    connection: Connection, step: Step, zone: str
) -> None:
    start = datetime(2011, 12, 27, 13, 7, 11, 500_000, tzinfo=UTC)
    for stop in (start + timedelta(microseconds=1), start + timedelta(days=4)):
        assert asked(connection, start, stop, step, zone) == expected(start, stop, step, zone)


@pytest.mark.parametrize("arguments", ["now(), now()", "now(), 'epoch'", "NULL, now()", "now(), NULL"])
def test_an_empty_range_has_none(connection: Connection, arguments: str) -> None:
    assert not connection.execute(text(f"SELECT * FROM statscache_periods({arguments}, 'day')")).all()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            "now(), now() + '1 day', 'fortnight'",
            "step must be minute, hour, day, week, month, quarter or year, not",
        ),
        ("now(), 'infinity', 'day'", "periods are those from 1970 to 9998"),
        ("'1969-12-31', now(), 'day'", "periods are those from 1970 to 9998"),
        ("now(), now() + '1 day', 'day', 'Mars/Olympus'", 'time zone "Mars/Olympus" not recognized'),
    ],
)
def test_what_cannot_be_asked_is_told(connection: Connection, arguments: str, sentence: str) -> None:
    with pytest.raises(DBAPIError, match=sentence), connection.begin_nested():
        connection.execute(text(f"SELECT * FROM statscache_periods({arguments})"))
