"""When windows begin and end."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statscache.plugins import Schedule

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
YEAR_1800, YEAR_2300 = datetime.fromisoformat("1800-01-01"), datetime.fromisoformat("2300-01-01")
#: Local times as the C library reads them, so that no zone files are needed.
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
ADELAIDE = "ACST-9:30ACDT,M10.1.0,M4.1.0/3"
NEW_YORK = "EST5EDT,M3.2.0,M11.1.0"
LOCAL = [BERLIN, ADELAIDE, NEW_YORK, "UTC0"]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]

intervals = st.integers(1, 400 * 86400).map(lambda seconds: timedelta(seconds=seconds))
schedules = intervals.map(Schedule)
instants = st.datetimes(YEAR_1800, YEAR_2300, timezones=st.just(UTC))
zones = st.sampled_from(ZONES).map(ZoneInfo) | st.integers(-1439, 1439).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)


@pytest.fixture
def live_in() -> Iterator[Callable[[str], None]]:
    """Moves this process to another time zone."""
    before = os.environ.get("TZ")
    yield _live_in
    _live_in(before)


def _live_in(zone: str | None) -> None:
    os.environ.pop("TZ", None)
    if zone is not None:
        os.environ["TZ"] = zone
    time.tzset()


def at(text: str) -> datetime:
    """Return an instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@given(schedules, instants)
def test_an_instant_lies_in_its_window(schedule: Schedule, now: datetime) -> None:
    """The last start is not after it, the next one is, and they are one interval apart."""
    last, following = schedule.last(now), schedule.next(now)
    assert last <= now < following
    assert following - last == schedule.interval
    assert schedule.time_to_fire(now) == following - now


@given(schedules, instants)
def test_windows_are_counted_from_the_epoch(schedule: Schedule, now: datetime) -> None:
    """Every start is a whole number of intervals from 1970-01-01 UTC, before it as well as after it."""
    assert (schedule.last(now) - EPOCH) % schedule.interval == timedelta(0)


@given(schedules, instants)
def test_a_start_begins_its_own_window(schedule: Schedule, now: datetime) -> None:
    """At a start the last one is now and the next one a whole interval away; a moment earlier it was another's."""
    start = schedule.last(now)
    assert schedule.last(start) == start
    assert schedule.time_to_fire(start) == schedule.interval
    assert schedule.next(start - timedelta.resolution) == start
    assert schedule.time_to_fire(start - timedelta.resolution) == timedelta.resolution


@given(intervals, instants, instants, zones)
def test_any_instant_can_be_the_epoch(interval: timedelta, epoch: datetime, now: datetime, zone: Any) -> None:
    """Windows start a whole number of intervals from the epoch given, in whatever zone it is written."""
    schedule = Schedule(interval, epoch.astimezone(zone))
    assert schedule.epoch == epoch
    assert schedule.epoch.tzinfo is UTC
    last = schedule.last(now)
    assert (last - epoch) % interval == timedelta(0)
    assert last <= now < last + interval


@given(schedules, instants, zones)
def test_an_aware_time_gives_one_of_its_own_zone(schedule: Schedule, now: datetime, zone: Any) -> None:
    """In whatever zone an instant is written the windows are the same, and so is the zone of the answer."""
    there = now.astimezone(zone)
    for method in (schedule.last, schedule.next):
        answer = method(there)
        assert answer.tzinfo is zone
        assert answer.astimezone(UTC) == method(now)
    assert schedule.time_to_fire(there) == schedule.time_to_fire(now)


@pytest.mark.parametrize(
    ("now", "last", "following"),
    [
        # The hour that comes twice in Berlin, and the two around it.
        ("2024-10-27T00:30:00+02:00", "2024-10-27T00:00:00+02:00", "2024-10-27T01:00:00+02:00"),
        ("2024-10-27T02:30:00+02:00", "2024-10-27T02:00:00+02:00", "2024-10-27T02:00:00+01:00"),
        ("2024-10-27T02:30:00+01:00", "2024-10-27T02:00:00+01:00", "2024-10-27T03:00:00+01:00"),
        # The hour that is left out.
        ("2024-03-31T01:30:00+01:00", "2024-03-31T01:00:00+01:00", "2024-03-31T03:00:00+02:00"),
        ("2024-03-31T03:30:00+02:00", "2024-03-31T03:00:00+02:00", "2024-03-31T04:00:00+02:00"),
    ],
)
@pytest.mark.parametrize("naive", [False, True])
def test_clocks_that_change_lose_no_window_and_repeat_none(
    now: str, last: str, following: str, naive: bool, live_in: Callable[[str], None]
) -> None:
    """Across both changes of the clock an hour is an hour, for aware times and for naive local ones."""
    live_in(BERLIN)
    moments = [
        datetime.fromisoformat(text).astimezone(ZoneInfo("Europe/Berlin")) for text in (now, last, following)
    ]
    if naive:
        moments = [moment.replace(tzinfo=None) for moment in moments]
    schedule = Schedule(timedelta(hours=1))
    answers = [schedule.last(moments[0]), schedule.next(moments[0])]
    assert answers == moments[1:]
    assert [answer.fold for answer in answers] == [moment.fold for moment in moments[1:]]
    assert schedule.time_to_fire(moments[0]) == timedelta(minutes=30)


@pytest.mark.parametrize("zone", LOCAL)
def test_a_naive_time_is_local_and_gives_a_local_one(zone: str, live_in: Callable[[str], None]) -> None:
    """Naive local times name the same windows as the instants they stand for, and stay naive."""
    live_in(zone)

    @given(schedules, instants)
    def check(schedule: Schedule, now: datetime) -> None:
        local = _local(now)
        for method in (schedule.last, schedule.next):
            assert method(local).tzinfo is None
            assert method(local).astimezone(UTC) == method(now)
        assert schedule.time_to_fire(local) == schedule.time_to_fire(now)

    check()


def _local(now: datetime) -> datetime:
    """Return the naive local time of an instant, to the microsecond."""
    whole = datetime.fromtimestamp(now.replace(microsecond=0).timestamp())  # noqa: DTZ006  local on purpose
    return whole.replace(microsecond=now.microsecond)


@pytest.mark.parametrize("zone", LOCAL)
def test_a_naive_epoch_is_local(zone: str, live_in: Callable[[str], None]) -> None:
    """An epoch without a zone is an instant of the local time, as it is for a `now`."""
    live_in(zone)
    midnight, noon, next_day = map(datetime.fromisoformat, ("2024-01-15", "2024-01-15T12:00", "2024-01-16"))
    schedule = Schedule(timedelta(days=1), midnight)
    assert schedule.epoch == midnight.astimezone(UTC)
    assert schedule.last(noon) == midnight
    assert schedule.next(noon) == next_day


@given(instants)
def test_an_epoch_with_a_fraction_is_kept_to_the_microsecond_in_local_time(now: datetime) -> None:
    """Starts that lie between seconds come back exactly as naive times, too."""
    schedule = Schedule(timedelta(minutes=1), at("2000-01-01T00:00:00.000007"))
    assert schedule.last(_local(now)).astimezone(UTC) == schedule.last(now)
    assert schedule.last(_local(now)).microsecond == 7


def test_without_a_time_it_is_now_in_utc() -> None:
    """Called without an argument, the methods answer for the present, in UTC."""
    schedule = Schedule(timedelta(hours=1))
    before = datetime.now(UTC)
    last, following, left = schedule.last(), schedule.next(), schedule.time_to_fire()
    after = datetime.now(UTC)
    assert last.tzinfo is following.tzinfo is UTC
    assert schedule.last(before) <= last <= schedule.last(after)
    assert schedule.next(before) <= following <= schedule.next(after)
    assert timedelta(0) < left <= schedule.interval


def test_as_a_float_it_is_the_seconds_to_the_next_window() -> None:
    """`float()` of a schedule says how long to wait from now, as in statscache 0.0.4."""
    schedule = Schedule(timedelta(days=400))
    before = schedule.time_to_fire().total_seconds()
    waiting = float(schedule)
    after = schedule.time_to_fire().total_seconds()
    assert after <= waiting <= before
    assert 0 < float(Schedule(SECOND)) <= 1


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (timedelta(seconds=1), "1s"),
        (timedelta(seconds=15), "15s"),
        (timedelta(seconds=60), "1m"),
        (timedelta(seconds=90), "1m30s"),
        (timedelta(minutes=60), "1h"),
        (timedelta(hours=24), "1d"),
        (timedelta(days=1, seconds=1), "1d1s"),
        (timedelta(days=1, hours=2, minutes=3, seconds=4), "1d2h3m4s"),
        (timedelta(weeks=1), "7d"),
        (timedelta(days=365), "365d"),
    ],
)
def test_as_a_text_it_is_its_interval(interval: timedelta, text: str) -> None:
    """`str()` gives the length in the largest units, without those that are zero."""
    assert str(Schedule(interval)) == text
    assert repr(Schedule(interval)) == f"Schedule({text})"


@given(schedules)
def test_its_text_can_be_read_back(schedule: Schedule) -> None:
    """The text says the length to the second, and no two lengths have one text."""
    sizes = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    parts = re.findall(r"([1-9]\d*)([dhms])", str(schedule))
    assert "".join(map("".join, parts)) == str(schedule)
    assert sum(int(count) * sizes[unit] for count, unit in parts) == schedule.seconds
    assert schedule.seconds == schedule.interval.total_seconds()


@pytest.mark.parametrize("interval", [None, 60, 60.0, "1m", True, date(2024, 1, 1), timedelta])
def test_an_interval_must_be_a_timedelta(interval: Any) -> None:
    """Anything else is refused, and named."""
    with pytest.raises(TypeError, match="interval must be a timedelta, not"):
        Schedule(interval)


@pytest.mark.parametrize(
    "interval", [timedelta(0), -SECOND, timedelta(days=-1), timedelta.resolution, SECOND / 2, SECOND * 1.5]
)
def test_an_interval_must_be_whole_positive_seconds(interval: timedelta) -> None:
    """No length, a negative one and fractions of a second are refused, and named."""
    with pytest.raises(
        ValueError, match=rf"positive whole number of seconds, not {re.escape(str(interval))}"
    ):
        Schedule(interval)


@pytest.mark.parametrize("epoch", [0, "1970-01-01", date(1970, 1, 1), timedelta(0), False])
def test_an_epoch_must_be_a_datetime(epoch: Any) -> None:
    """Anything else is refused, and named."""
    with pytest.raises(TypeError, match="epoch must be a datetime, not"):
        Schedule(SECOND, epoch)
