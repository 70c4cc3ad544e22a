"""Periods of time zones, against what zoneinfo says of each instant."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
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
BERLIN = ZoneInfo("Europe/Berlin")
instants = st.integers(86_400, 2_145_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))


def local_date(second: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(second, zone).date()


def offset_at(second: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds())


def changes(zone: ZoneInfo) -> Iterator[int]:
    """Yield each second at which a zone's clocks are set, found by looking at every day."""
    days = range(int(START.timestamp()), int(STOP.timestamp()), DAY)
    offsets = [offset_at(second, zone) for second in days]
    for (low, one), (high, other) in pairwise(zip(days, offsets, strict=True)):
        if one != other:
            while high - low > 1:
                middle = (low + high) // 2
                if offset_at(middle, zone) == offset_at(low, zone):
                    low = middle
                else:
                    high = middle
            yield high


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


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_days_begin_at_the_first_second_that_bears_their_date(part: int) -> None:
    """In every zone, around each time from 1970 to 2037 at which its clocks are set."""
    for name in ZONES[part::4]:
        zone = ZoneInfo(name)
        ends = list(changes(zone))
        expected = sorted(set(first_seconds(zone, ends).values()))[1:-1]
        for end in ends:
            place = bisect_left(expected, end)
            for start, stop in pairwise(expected[max(0, place - 2) : place + 3]):
                for second in (start, stop - 1):
                    found = period_of(datetime.fromtimestamp(second, UTC), Step.DAY, zone)
                    assert found == Period(start, stop), name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Africa/Casablanca"])
def test_every_day_of_a_zone(name: str) -> None:
    zone = ZoneInfo(name)
    expected = sorted(set(first_seconds(zone, list(changes(zone))).values()))
    assert [day.start for day in periods(START, STOP, Step.DAY, zone)][1:] == expected[1:]


@pytest.mark.parametrize("step", [Step.WEEK, Step.MONTH, Step.QUARTER, Step.YEAR])
def test_longer_periods_begin_with_their_first_day(step: Step) -> None:
    """In every zone: each is made of whole days, the first of which is the right one."""
    for name in ZONES[::20]:
        zone = ZoneInfo(name)
        for one, other in pairwise(periods(START, STOP, step, zone)):
            assert one.stop == other.start
            day = local_date(other.start, zone)
            first = period_of(datetime.fromtimestamp(other.start, UTC), Step.DAY, zone)
            assert first.start == other.start
            skipped = {day - timedelta(days=back) for back in range(2)}
            assert any(_begins(step, each) for each in skipped), (name, day)


def _begins(step: Step, day: date) -> bool:
    months = {Step.MONTH: 1, Step.QUARTER: 3, Step.YEAR: 12}
    if step is Step.WEEK:
        return day.weekday() == 0
    return day.day == 1 and (day.month - 1) % months[step] == 0


@given(instants, st.sampled_from(Step), st.sampled_from(ZONES))
def test_each_instant_lies_in_one_period(instant: datetime, step: Step, name: str) -> None:
    zone = ZoneInfo(name)
    its = period_of(instant, step, zone)
    assert its.start <= instant.timestamp() < its.stop
    for second in (its.start, its.stop - 1):
        assert period_of(datetime.fromtimestamp(second, UTC), step, zone) == its
    assert before(after(its, step, zone), step, zone) == its
    assert before(its, step, zone).stop == its.start


@given(instants, st.sampled_from([Step.MINUTE, Step.HOUR]), st.sampled_from(ZONES))
def test_hours_and_minutes_begin_when_clocks_show_them(instant: datetime, step: Step, name: str) -> None:
    """Or skip it, which makes what clocks show jump."""
    zone, unit = ZoneInfo(name), {Step.MINUTE: 60, Step.HOUR: 3600}[step]
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
