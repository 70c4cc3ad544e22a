"""Sums of days, weeks and other periods of a time zone."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from statscache.query.periods import Step, periods
from tests.support.hourly import AUTUMN, KEYS, PATH, SPRING, Hourly, hourly, midnights, second_of
from tests.support.web import LOGS

#: Zones whose clocks show whole hours in 2024.
WHOLE = ("UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia", "Asia/Gaza")
STEPS = (Step.HOUR, Step.DAY, Step.WEEK, Step.MONTH, Step.QUARTER, Step.YEAR)
BERLIN = {"step": "day", "tz": "Europe/Berlin"}


@pytest.fixture(scope="module")
def made(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hourly]:
    """An API on rows of every hour around the times at which clocks are set."""
    with hourly(server, tmp_path_factory.mktemp("steps")) as made:
        yield made


@pytest.mark.parametrize("zone", WHOLE)
@pytest.mark.parametrize(("first", "last"), [("2024-03-29", "2024-04-03"), ("2024-10-25", "2024-10-30")])
def test_days_are_those_that_clocks_show(first: str, last: str, zone: str, made: Hourly) -> None:
    """Also on the days on which they are set, and days without a row are there with the volume 0."""
    days = midnights(date.fromisoformat(first), date.fromisoformat(last), zone)
    query = {"step": "day", "tz": zone, "start": days[0], "stop": days[-1], "order": "asc"}
    expected = made.days(zone)
    assert made.web.rows(PATH, query) == [
        {"timestamp": day, "volume": expected[datetime.fromtimestamp(day, ZoneInfo(zone)).date()]}
        for day in days[:-1]
    ]
    assert made.web.rows(PATH, {**query, "order": "desc"}) == made.web.rows(PATH, query)[::-1]


def test_days_are_those_of_utc_unless_a_zone_is_named(made: Hourly) -> None:
    start, stop = SPRING
    found = made.web.rows(PATH, {"step": "day", "start": start, "stop": stop})
    assert [row["timestamp"] for row in found] == [stop - 86_400, stop - 2 * 86_400, start]
    assert sum(row["volume"] for row in found) == sum(v for t, _, v in made.rows if start <= t < stop)


def test_each_period_is_whole_whatever_part_of_it_is_asked_for(made: Hourly) -> None:
    noon = second_of("2024-03-31T12:00")
    (row,) = made.web.rows(PATH, {**BERLIN, "start": noon, "stop": noon + 1})
    assert row["timestamp"] == second_of("2024-03-31T00:00+01:00")
    assert row["volume"] == made.days("Europe/Berlin")[date(2024, 3, 31)]


def test_sums_of_each_key_and_period(made: Hourly) -> None:
    """With `group`, only those that there are; filters by key leave out others."""
    start, stop = SPRING
    query = {**BERLIN, "start": start, "stop": stop, "group": "category"}
    found = [(row["timestamp"], row["category"], row["volume"]) for row in made.web.rows(PATH, query)]
    days = {key: made.days("Europe/Berlin", key) for key in KEYS}
    first = midnights(date(2024, 3, 30), date(2024, 4, 2), "Europe/Berlin")
    expected = [
        (day, key, days[key][datetime.fromtimestamp(day, ZoneInfo("Europe/Berlin")).date()])
        for day in reversed(first)
        for key in sorted(KEYS)
    ]
    assert found == [row for row in expected if row[2]]
    some = made.web.rows(PATH, {**query, "category": ["git", "bodhi"]})
    assert [row["category"] for row in some] == [key for _, key, _ in found if key in ("git", "bodhi")]
    assert made.web.rows(PATH, {**query, "group": "timestamp"}) == made.web.rows(
        PATH, {name: value for name, value in query.items() if name != "group"}
    )


@pytest.mark.parametrize("group", [None, "category"])
def test_the_greatest_sums_of_all_periods(group: str | None, made: Hourly) -> None:
    start, stop = SPRING[0], AUTUMN[1]
    query: dict[str, Any] = {"step": "day", "start": start, "stop": stop}
    query |= {"group": group} if group else {}
    each = [row for page in made.web.pages(PATH, query) for row in page]
    found = made.web.rows(PATH, {**query, "top": 7})
    ordered = sorted(each, key=lambda row: (-row["volume"], -row["timestamp"], row.get("category", "")))
    assert found == ordered[:7]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    step=st.sampled_from(STEPS),
    zone=st.sampled_from(WHOLE),
    start=st.integers(AUTUMN[0] - 200_000, AUTUMN[1] + 200_000),
    length=st.integers(0, 500_000),
    keys=st.lists(st.sampled_from([*KEYS, "none"]), max_size=2),
    group=st.booleans(),
    top=st.none() | st.integers(1, 40),
    size=st.integers(7, 100),
    ascending=st.booleans(),
)
def test_whatever_is_asked_for_is_what_python_sums(
    step: Step,
    zone: str,
    start: int,
    length: int,
    keys: list[str],
    group: bool,
    top: int | None,
    size: int,
    ascending: bool,
    made: Hourly,
) -> None:
    """All pages together, in every order, are the sums of the periods; and so are the pages backward."""
    its = _periods(start, start + length, step, zone) if length else []
    sums: Counter[tuple[int, str]] = Counter()
    for second, key, volume in made.rows:
        period = next((each for each in its if each.start <= second < each.stop), None)
        if period is not None and (not keys or key in keys):
            sums[period.start, key if group else ""] += volume
    if not group:
        sums.update({(period.start, ""): 0 for period in its})
    expected = sorted(((t, key, volume) for (t, key), volume in sums.items()), key=_by_time)
    if top is not None:
        expected.sort(key=lambda row: -row[2])
    expected = (expected[::-1] if ascending else expected)[:top]
    query: dict[str, Any] = {"step": step, "tz": zone, "start": start, "stop": start + length}
    query |= {"rows_per_page": size, "order": "asc" if ascending else "desc", "category": keys}
    query |= ({"group": "category"} if group else {}) | ({} if top is None else {"top": top})
    pages = made.web.pages(PATH, query)
    assert [_row(row) for page in pages for row in page] == expected
    numbered = made.web.get(PATH, {**query, "page": len(pages)})
    assert numbered.json == pages[-1]
    assert numbered.headers["X-Link-Count"] == str(len(pages))
    if "previous" in numbered.links and len(pages) > 1:
        assert made.web.get(numbered.links["previous"]).json == pages[-2]


def _periods(start: int, stop: int, step: Step, zone: str) -> list[Any]:
    first, last = (datetime.fromtimestamp(second, UTC) for second in (start, stop))
    return periods(first, last, step, ZoneInfo(zone))


def _by_time(row: tuple[int, str, int]) -> tuple[int, str]:
    return -row[0], row[1]


def _row(row: dict[str, Any]) -> tuple[int, str, int]:
    return row["timestamp"], row.get("category", ""), row["volume"]


def test_csv_has_the_same_sums(made: Hourly) -> None:
    query = {**BERLIN, "start": SPRING[0], "stop": AUTUMN[1]}
    titles, *lines = csv.reader(io.StringIO(made.web.get(f"{PATH}.csv", query).body.decode(), newline=""))
    rows = [row for page in made.web.pages(PATH, query) for row in page]
    assert titles == ["timestamp", "volume"]
    assert len(rows) == len(lines) == 214
    for line, row in zip(lines, rows, strict=True):
        assert (second_of(line[0]), int(line[1])) == (row["timestamp"], row["volume"])


def test_without_a_range_it_is_from_the_first_row_to_the_present(made: Hourly) -> None:
    """What is dated ahead is not of it."""
    made.run(
        "INSERT INTO data_volume_by_category_1d VALUES ('2024-05-01', 'git', 5), ('2999-01-01', 'git', 7)"
    )
    before = datetime.now(UTC).year
    found = made.web.rows("/api/volume-by-category-1d", {"step": "year"})
    assert [row["timestamp"] for row in found] in [
        [second_of(f"{year}-01-01") for year in range(last, 2023, -1)] for last in (before, before + 1)
    ]
    assert sum(row["volume"] for row in found) == 5
    ahead = {"step": "year", "start": "2999-01-01", "stop": "2999-02-01"}
    assert [row["volume"] for row in made.web.rows("/api/volume-by-category-1d", ahead)] == [7]


@pytest.mark.parametrize(
    "query",
    [{}, {"stop": 1_700_000_000}, {"start": 1_700_000_000, "stop": 1_700_000_000}, {"start": "2999-01-01"}],
)
def test_a_table_without_rows_has_at_most_one_period(query: dict[str, Any], made: Hourly) -> None:
    assert [row["volume"] for row in made.web.rows("/api/volume-1s", {"step": "day", **query})] in ([], [0])


@pytest.mark.parametrize(
    ("path", "query", "sentence"),
    [
        (PATH, {"tz": "Europe/Berlin"}, "give step, too"),
        (PATH, {"step": "fortnight"}, "step must be minute or hour or day"),
        (PATH, {"step": "day", "tz": "Europe"}, "IANA name of a time zone"),
        (PATH, {"step": "day", "tz": "../../etc/passwd"}, "IANA name of a time zone"),
        (PATH, {"step": "day", "start": 0, "stop": 1_730_000_000}, "2000 periods of a day: ask for step=week,"),
        (PATH, {"step": "year", "start": "1969-12-31"}, "from 1970"),
        (PATH, {"step": "minute", "start": SPRING[0], "stop": SPRING[1]}, "step=hour"),
        (PATH, {"step": "minute", "start": SPRING[0], "stop": SPRING[0] + 60}, "ask /api/volume-by-category-1m"),
        (PATH, {"step": "day", "tz": "Asia/Kathmandu", "stop": SPRING[1]}, "ask /api/volume-by-category-1m"),
        ("/api/volume-by-category-1d", {**BERLIN, "stop": SPRING[1]}, "ask /api/volume-by-category-1h"),
        ("/api/pagure-contributions-1d", {**BERLIN, "stop": SPRING[1]}, "ask for another step or tz"),
        (LOGS, {"step": "day"}, "there is no parameter 'step' here"),
    ],
)  # fmt: skip
def test_what_cannot_be_summed_is_told(path: str, query: dict[str, Any], sentence: str, made: Hourly) -> None:
    """In one sentence, which names what can."""
    reply = made.web.get(path, query)
    assert reply.status == 400
    assert sentence in reply.error
    if "/api/" in reply.error:
        named = reply.error.rpartition("ask ")[2]
        assert made.web.get(named, query).status == 200


def test_windows_of_a_day_are_enough_where_days_are_those_of_utc(made: Hourly) -> None:
    """What decides is where the periods in the range begin: in the winter those of London do at midnight UTC."""
    for tz, month, status in (
        ("Europe/London", 1, 200),
        ("Europe/London", 7, 400),
        ("Africa/Abidjan", 7, 200),
    ):
        query = {"step": "day", "tz": tz, "start": f"2024-{month:02}-03", "stop": f"2024-{month:02}-09"}
        assert made.web.get("/api/volume-by-category-1d", query).status == status


def test_sums_of_the_past_have_not_changed(made: Hourly) -> None:
    past = {**BERLIN, "start": SPRING[0], "stop": SPRING[1]}
    reply = made.web.get(PATH, past)
    assert made.web.get(PATH, past, If_None_Match=reply.headers["ETag"]).status == 304
