"""Instants in texts: what is read, and that what is written is read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statscache.instants import FIRST, LAST, read_instant, write_instant, write_second

MAY = datetime(2024, 5, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2024-05-31", MAY),
        ("2024-05-31T12:00", MAY + timedelta(hours=12)),
        ("20240531T120000Z", MAY + timedelta(hours=12)),
        ("2024-05-31 12:00:00,5+02:00", MAY + timedelta(hours=10, seconds=0.5)),
        ("1717113600", MAY),
        ("1717113600.25", MAY + timedelta(seconds=0.25)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
    ],
)
def test_seconds_and_iso_8601_are_read(text: str, when: datetime) -> None:
    """Both, whichever comes first; where no zone is named it is UTC."""
    assert read_instant(text) == read_instant(text, dates_first=True) == when


def test_eight_digits_are_a_date_where_dates_come_first() -> None:
    """A person at a terminal means a day; the API has always taken seconds."""
    assert read_instant("20240531", dates_first=True) == MAY
    assert read_instant("20240531") == datetime.fromtimestamp(20240531, UTC)


@pytest.mark.parametrize(
    "text", ["2024-W22-5", "2024W225", "2024-W22-5T00:00", "2024-05-31T00:00:30+00:00:30"]
)
def test_the_rarer_forms_of_iso_8601_are_read_where_dates_come_first(text: str) -> None:
    """As settings and options have always taken them."""
    assert read_instant(text, dates_first=True) == MAY


@pytest.mark.parametrize("text", ["2024", "7", "1", "-5", "202405"])
def test_a_slip_is_not_taken_for_seconds_of_1970_where_dates_come_first(text: str) -> None:
    """A year alone, or a number whose unit was forgotten, would ask for all of history."""
    with pytest.raises(ValueError, match="ISO 8601"):
        read_instant(text, dates_first=True)
    read_instant(text)


@pytest.mark.parametrize(
    "text", ["", "now", "2024-13-01", "2024-02-30", "2024-W60", "1e99", "nan", "inf", "2024-05-31T25:00", "٣"]
)
def test_what_names_no_instant_is_refused(text: str) -> None:
    """The error says what was expected."""
    for dates_first in (False, True):
        with pytest.raises(ValueError, match="ISO 8601"):
            read_instant(text, dates_first=dates_first)


@given(
    st.datetimes(
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5)), timezone(timedelta(hours=2))])
    )
)
def test_what_is_written_is_read_again(when: datetime) -> None:
    """It is in UTC, ends in Z, and loses no microsecond."""
    if not datetime(1, 1, 2, tzinfo=UTC) < when < datetime(9999, 12, 30, tzinfo=UTC):
        return
    text = write_instant(when)
    assert text.endswith("Z")
    assert read_instant(text) == when


def test_seconds_outside_of_the_calendar_are_written_as_its_ends() -> None:
    """ISO 8601 has names for the years 1 to 9999."""
    assert write_second(FIRST - 1) == write_second(FIRST) == "0001-01-01T00:00:00Z"
    assert write_second(LAST + 1) == write_second(LAST) == "9999-12-31T23:59:59Z"
    assert write_second(0) == "1970-01-01T00:00:00Z"


@given(
    st.text(max_size=30) | st.from_regex(r"\A\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?([Zz]|[+-]\d\d:\d\d)?)?\Z")
)
def test_any_text_is_an_instant_or_refused(text: str) -> None:
    """No text is more than a ValueError."""
    try:
        when = read_instant(text)
    except ValueError as error:
        refused = str(error)
        assert "ISO 8601" in refused
    else:
        assert when.utcoffset() is not None
