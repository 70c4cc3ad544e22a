"""What is asked of a table: filters, ranges and sums, against the table itself."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.categories import CATEGORIES, PATH, START, Made, Row

instants = st.integers(START - 5, START + 405)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wanted=st.lists(st.sampled_from([*CATEGORIES, "none", "bod"]), max_size=4),
    start=st.none() | instants,
    stop=st.none() | instants,
    limit=st.none() | st.integers(1, 400),
    size=st.integers(20, 100),
    ascending=st.booleans(),
)
def test_whatever_is_asked_for_comes_and_nothing_else(
    wanted: list[str],
    start: int | None,
    stop: int | None,
    limit: int | None,
    size: int,
    ascending: bool,
    made: Made,
) -> None:
    """Filters, a range, a limit, an order and a page size, in any combination, are what Python makes of the rows."""
    rows = made.rows[::-1] if ascending else made.rows
    expected = [
        row
        for row in rows
        if (not wanted or row[1] in wanted)
        and (start is None or row[0] >= start)
        and (stop is None or row[0] < stop)
    ][:limit]
    query: dict[str, Any] = {
        "category": wanted,
        "rows_per_page": size,
        "order": "asc" if ascending else "desc",
    }
    query |= {name: value for name, value in (("start", start), ("stop", stop), ("limit", limit)) if value}
    assert made.all(**query) == expected


@pytest.mark.parametrize(
    "written",
    [
        *("1700000100", "1.7000001e9", "+1700000100.0", "2023-11-14T22:15:00Z", "2023-11-14T22:15:00"),
        *(
            "2023-11-14 22:15",
            "2023-11-14T23:15:00+01:00",
            "2023-11-14t22:14:60z",
            "2023-11-14T22:15:00.000000Z",
        ),
        "2023-11-15T22:14:00+23:59",
        *(
            "2023-11-14T23:15:00+0100",
            "2023-11-14T23:15+01",
            "20231114T221500Z",
            "20231114T2215",
            "20231114T231500,0+01",
        ),
    ],
)
def test_an_instant_may_be_written_in_many_ways(written: str, made: Made) -> None:
    """Seconds since 1970 and ISO 8601, in UTC where no zone is named; start is within, stop is not."""
    assert made.page(start=written, order="asc")[0][0] == START + 100
    assert made.page(stop=written)[0][0] == START + 99


@pytest.mark.parametrize("written", ["0001-01-01T00:00:00+23:59", "0000-01-01", "-62135596800"])
def test_the_earliest_instants_leave_nothing_out(written: str, made: Made) -> None:
    """What lies before all that can be stored is as good as no start, and as a stop leaves nothing."""
    assert made.page(start=written) == made.rows[:100]
    assert made.page(stop=written) == []


def summed(rows: list[Row], column: int) -> Counter[Any]:
    found: Counter[Any] = Counter()
    for row in rows:
        found[row[column]] += row[2]
    return found


def test_sums_by_a_key_come_greatest_first(made: Made) -> None:
    """group sums over time; of equal sums the smaller key comes first; start, stop and filters hold."""
    rows = made.web.rows(PATH, {"group": "category", "start": START + 10, "stop": START + 200})
    expected = summed([row for row in made.rows if START + 10 <= row[0] < START + 200], 1)
    assert {row["category"]: row["volume"] for row in rows} == expected
    assert [row["volume"] for row in rows] == sorted(expected.values(), reverse=True)
    assert list(rows[0]) == ["category", "volume"]


def test_sums_by_window_come_in_order_of_time(made: Made) -> None:
    """group=timestamp is a series, newest first."""
    pages = made.web.pages(PATH, {"group": "timestamp"})
    found = [(row["timestamp"], row["volume"]) for page in pages for row in page]
    assert found == sorted(summed(made.rows, 0).items(), reverse=True)


def test_top_gives_the_greatest(made: Made) -> None:
    """With a group, the greatest of those; alone, the greatest windows, the later of equal ones first."""
    sums = summed(made.rows, 1)
    rows = made.web.rows(PATH, {"group": "category", "top": 3})
    assert [row["volume"] for row in rows] == sorted(sums.values(), reverse=True)[:3]
    windows = sorted(((volume, when) for when, volume in summed(made.rows, 0).items()), reverse=True)
    pages = made.web.pages(PATH, {"top": 150})
    assert [(row["volume"], row["timestamp"]) for page in pages for row in page] == windows[:150]
