"""Periods of time zones, against what zoneinfo says of each instant."""

from __future__ import annotations

import io
import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statscache.query.errors import BadQuestion
from statscache.query.periods import Period, Step, after, before, divides, period_of, periods, zone_named

START, STOP = datetime(1970, 1, 1, tzinfo=UTC), datetime(2038, 1, 1, tzinfo=UTC)
ZONES = sorted(available_timezones())
DAY = 86_400
EPOCH = date(1970, 1, 1)
#: The steps that are the same in many zones, in seconds, and those of whole days.
UNITS = {Step.MINUTE: 60, Step.HOUR: 3600}
LONG = (Step.DAY, Step.WEEK, Step.MONTH, Step.QUARTER, Step.YEAR)
BERLIN = ZoneInfo("Europe/Berlin")
instants = st.integers(86_400, 2_145_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))


def local_date(second: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(second, zone).date()


def offset_at(second: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds())


def changes(zone: ZoneInfo) -> Iterator[int]:
    """Yield each second at which a zone's clocks are set, found by looking once a week."""
    weeks = range(int(START.timestamp()), int(STOP.timestamp()), 7 * DAY)
    offsets = [offset_at(second, zone) for second in weeks]
    for (low, one), (high, other) in pairwise(zip(weeks, offsets, strict=True)):
        if one != other:
            while high - low > 1:
                middle = (low + high) // 2
                if offset_at(middle, zone) == offset_at(low, zone):
                    low = middle
                else:
                    high = middle
            yield high


@dataclass(frozen=True)
class Clocks:
    """A zone, of all that are alike, and when its clocks are set."""

    zone: ZoneInfo
    changes: tuple[int, ...]

    def check(self, step: Step, change: int, starts: list[int]) -> None:
        """Check that each second near a change lies in the period that begins last before it."""
        for second in (change - 1, change, starts[min(bisect_right(starts, change), len(starts) - 1)]):
            place = bisect_right(starts, second)
            if 0 < place < len(starts):
                found = period_of(datetime.fromtimestamp(second, UTC), step, self.zone)
                assert found == Period(starts[place - 1], starts[place]), (self.zone, step, second)


@lru_cache(1)
def every_zone() -> list[Clocks]:
    """Return every zone that there is, those that have shown the same ever since 1970 once."""
    found = {}
    for zone in map(ZoneInfo, ZONES):
        ends = tuple(changes(zone))
        shown = tuple(offset_at(second, zone) for second in (0, *ends))
        found.setdefault((ends, shown), Clocks(zone, ends))
    return list(found.values())


def first_seconds(zone: ZoneInfo, ends: list[int]) -> dict[int, int]:
    """Return the first second that bears each date, by the number of its day since 1970.

    :param ends: when clocks are set; in between, what they show goes on evenly
    """
    found: dict[int, int] = {}
    for start, stop in pairwise([int(START.timestamp()), *ends, int(STOP.timestamp())]):
        offset = offset_at(start, zone)
        for day in range((start + offset) // DAY, (stop - 1 + offset) // DAY + 1):
            found[day] = min(found.get(day, stop), max(start, day * DAY - offset))
    return found


def starts(step: Step, days: dict[int, int]) -> list[int]:
    """Return when periods begin: each with the first second that bears any of its dates.

    :param days: the first second that bears each date
    """
    groups, found = groups_of(step), {}
    for day, second in days.items():
        its = groups[day]
        found[its] = min(found.get(its, second), second)
    return sorted(set(found.values()))


@lru_cache
def groups_of(step: Step) -> dict[int, object]:
    """Return what the dates of each period have in common, by the number of the day since 1970."""
    return {day: group_of(step, EPOCH + timedelta(days=day)) for day in range(-1, 25_000)}


def group_of(step: Step, day: date) -> object:
    """Return what all dates of a period have in common."""
    match step:
        case Step.DAY:
            return day
        case Step.WEEK:
            return day.isocalendar()[:2]
        case Step.MONTH:
            return day.year, day.month
        case Step.QUARTER:
            return day.year, (day.month - 1) // 3
    return day.year


@pytest.mark.slow
def test_periods_begin_at_the_first_second_that_bears_a_date_of_theirs() -> None:
    """In every zone, around each time from 1970 to 2037 at which its clocks are set."""
    for clocks in every_zone():
        check_dates(clocks)


def check_dates(clocks: Clocks) -> None:
    """Check all steps of whole days, around each time at which clocks are set."""
    days = first_seconds(clocks.zone, list(clocks.changes))
    for step in LONG:
        expected = starts(step, days)[1:]
        for change in clocks.changes:
            clocks.check(step, change, expected)


def starts_around(change: int, unit: int, zone: ZoneInfo) -> list[int]:
    """Return when minutes or hours begin around a change: when clocks show a whole one, or skip it."""
    found = []
    for start, stop in ((change - 3 * unit, change), (change, change + 3 * unit)):
        offset = offset_at(start, zone)
        found += [
            second - offset for second in range(-(-(start + offset) // unit) * unit, stop + offset, unit)
        ]
    shown, earlier = ((second + offset_at(second, zone)) // unit for second in (change, change - 1))
    return sorted({*found, *([change] if shown > earlier else [])})


@pytest.mark.slow
@pytest.mark.parametrize("step", UNITS)
def test_minutes_and_hours_begin_when_clocks_show_or_skip_a_whole_one(step: Step) -> None:
    """In every zone, around each time from 1970 to 2037 at which its clocks are set."""
    for clocks in every_zone():
        check_units(step, clocks)


def check_units(step: Step, clocks: Clocks) -> None:
    """Check minutes or hours around each time at which clocks are set."""
    for change in clocks.changes:
        expected = starts_around(change, UNITS[step], clocks.zone)
        clocks.check(step, change, expected)
        for second, following in pairwise(expected):
            its = Period(second, following)
            assert after(before(its, step, clocks.zone), step, clocks.zone) == its, (clocks.zone, second)


@pytest.mark.parametrize(
    "rule",
    [
        "AAA0BBB,M3.5.0/23:30,M10.5.0/3",  # midnight is skipped from half an hour before it
        "AAA0BBB-2,M3.5.0/22:59:30,M10.5.0/1",  # two midnights, and two hours are skipped at once
        "AAA-5:45BBB-7:15,M3.5.0/2:45,M10.5.0/0:20",
        "AAA3:30BBB2:59:15,M1.1.1/0,M7.1.1/0:01",  # clocks are set by no whole minute
    ],
)
def test_clocks_may_be_set_at_any_time_and_by_any_amount(rule: str) -> None:
    """As no zone does yet."""
    zone = made_up(rule)
    clocks = Clocks(zone, tuple(changes(zone)))
    assert len(clocks.changes) == 2 * 68
    check_dates(clocks)
    for step in UNITS:
        check_units(step, clocks)


def made_up(rule: str) -> ZoneInfo:
    """Return a zone whose clocks are set by a rule as POSIX has it in TZ."""
    header = b"TZif2".ljust(20, b"\0") + struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    data = struct.pack(">lbb", 0, 0, 0) + b"AAA\0"
    return ZoneInfo.from_file(io.BytesIO((header + data) * 2 + f"\n{rule}\n".encode()), key=rule)


@pytest.mark.slow
@pytest.mark.parametrize("step", LONG)
@pytest.mark.parametrize("name", ["Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Africa/Casablanca"])
def test_every_period_of_a_zone(name: str, step: Step) -> None:
    zone = ZoneInfo(name)
    expected = starts(step, first_seconds(zone, list(changes(zone))))
    found = periods(START, STOP, step, zone)
    assert [period.start for period in found][1:] == expected[1:]
    assert all(one.stop == other.start for one, other in pairwise(found))


@given(instants, st.sampled_from(Step), st.sampled_from(ZONES))
def test_each_instant_lies_in_one_period(instant: datetime, step: Step, name: str) -> None:
    zone = ZoneInfo(name)
    its = period_of(instant, step, zone)
    assert its.start <= instant.timestamp() < its.stop
    for second in (its.start, its.stop - 1):
        assert period_of(datetime.fromtimestamp(second, UTC), step, zone) == its
    assert before(after(its, step, zone), step, zone) == its
    assert before(its, step, zone).stop == its.start


@given(instants, st.sampled_from(list(UNITS)), st.sampled_from(ZONES))
def test_hours_and_minutes_begin_when_clocks_show_them(instant: datetime, step: Step, name: str) -> None:
    """Or skip it, which makes what clocks show jump."""
    zone, unit = ZoneInfo(name), UNITS[step]
    start = period_of(instant, step, zone).start
    shown, earlier = (datetime.fromtimestamp(second, zone) for second in (start, start - 1))
    whole = (shown.minute * 60 + shown.second) % unit == 0
    assert whole or shown.utcoffset() != earlier.utcoffset()


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        ("2024-03-31", "Europe/Berlin", 23),
        ("2024-10-27", "Europe/Berlin", 25),
        ("2024-04-07", "Australia/Lord_Howe", 24.5),
        ("1988-04-03", "America/St_Johns", 22),
        ("1987-10-25", "America/St_Johns", 25),
        ("2018-11-04", "America/Sao_Paulo", 23),
        ("2011-12-29", "Pacific/Apia", 24),
    ],
)
def test_days_on_which_clocks_change(day: str, zone: str, hours: float) -> None:
    its = period_of(datetime.fromisoformat(f"{day}T12:00Z"), Step.DAY, ZoneInfo(zone))
    assert (its.stop - its.start) / 3600 == hours


def test_a_day_on_which_clocks_go_back_has_25_hours() -> None:
    start = datetime(2024, 10, 27, tzinfo=BERLIN)
    its = periods(start, datetime(2024, 10, 28, tzinfo=BERLIN), Step.HOUR, BERLIN)
    assert [period.stop - period.start for period in its] == [3600] * 25


def test_windows_divide_what_begins_and_ends_with_them() -> None:
    its = periods(datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 3, tzinfo=UTC), Step.DAY, BERLIN)
    assert divides(its, 3600)
    assert not divides(its, 86_400)
    assert divides(its, 86_400, 22 * 3600)
    assert not divides([Period(0, 90)], 60)


def test_too_many_periods_are_told_with_a_coarser_step() -> None:
    with pytest.raises(BadQuestion, match="step=hour"):
        periods(START, STOP, Step.MINUTE, BERLIN, 2000)
    with pytest.raises(BadQuestion, match="step=week"):
        periods(START, START + timedelta(days=12), Step.DAY, BERLIN, 10)


@pytest.mark.parametrize(
    "name", ["", "Europe", "../../etc/passwd", "/etc/passwd", "Mars/Olympus", "Europe/Berlin\0"]
)
def test_what_is_no_zone_is_told(name: str) -> None:
    with pytest.raises(BadQuestion, match="IANA"):
        zone_named(name)


@pytest.mark.parametrize("when", [datetime(1969, 1, 1, tzinfo=UTC), datetime(9999, 1, 2, tzinfo=UTC)])
def test_a_time_without_messages_has_no_periods(when: datetime) -> None:
    with pytest.raises(BadQuestion, match="1970"):
        periods(when, when + timedelta(days=3), Step.DAY, BERLIN)
