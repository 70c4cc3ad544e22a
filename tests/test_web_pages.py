"""The rows that the HTTP API gives: pages, filters, ranges, sums and cursors, against the tables themselves."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from tests.web import Client, Server, filled

START = 1_700_000_000
CATEGORIES = ["bodhi", "git", "", "ÿ ü", "a'b\"%c", "Ω", "z" * 2600, "rare"]
PATH = "/api/volume-by-category-1s"
Row = tuple[int, str, int]


@dataclass
class Made:
    """An API, and the rows of `PATH` from the newest on, as the table orders them."""

    web: Server
    engine: Engine
    rows: list[Row]

    def page(self, **query: Any) -> list[Row]:
        return [(row["timestamp"], row["category"], row["volume"]) for row in self.web.rows(PATH, query)]

    def all(self, relation: str = "next", **query: Any) -> list[Row]:
        pages = self.web.pages(PATH, query, relation)
        return [(row["timestamp"], row["category"], row["volume"]) for page in pages for row in page]


@pytest.fixture(scope="module")
def made(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """An API on 1,300 rows of eight categories, some seconds of which have all and some only one."""
    with filled(server, tmp_path_factory.mktemp("pages")) as (engine, web):
        values = [
            {"t": START + second, "c": category, "v": second % 7 + 1}
            for second in range(400)
            for number, category in enumerate(CATEGORIES)
            if second % (number + 1) == 0 and (category != "rare" or second < 50)
        ]
        with engine.begin() as connection:
            insert = "INSERT INTO data_volume_by_category_1s VALUES (to_timestamp(:t), :c, :v)"
            connection.execute(text(insert), values)
            query = (
                "SELECT extract(epoch FROM timestamp)::int, category, volume FROM data_volume_by_category_1s "
            )
            rows = [tuple(row) for row in connection.execute(text(query + "ORDER BY 1 DESC, category DESC"))]
        yield Made(web, engine, rows)


# Pages


@pytest.mark.parametrize("size", [1, 7, 99, 100])
@pytest.mark.parametrize("order", ["desc", "asc"])
def test_following_the_links_gives_the_table(size: int, order: str, made: Made) -> None:
    """Every row comes once, in order, on pages of the size that was asked for; and the same way back."""
    rows = made.rows if order == "desc" else made.rows[::-1]
    rows = rows if size > 1 else rows[:60]
    limit = {"limit": 60} if size == 1 else {}
    query = {"rows_per_page": size, "order": order, **limit}
    pages = made.web.pages(PATH, query)
    assert [len(page) for page in pages[:-1]] == [size] * (len(pages) - 1)
    assert made.all(**query) == rows
    reply = made.web.get(PATH, query)
    while "next" in reply.links:
        reply = made.web.get(reply.links["next"])
    back = [reply.json]
    while "previous" in reply.links:
        reply = made.web.get(reply.links["previous"])
        back.append(reply.json)
    assert back[::-1] == pages


def test_a_page_has_100_rows_unless_asked_for_less(made: Made) -> None:
    """The default is also the most."""
    assert made.page() == made.rows[:100]


def test_pages_by_number_agree_with_the_links(made: Made) -> None:
    """page is an offset, its headers say where it stands, and its links lead on by cursor."""
    pages = made.web.pages(PATH)
    for number, page in enumerate(pages, 1):
        reply = made.web.get(PATH, {"page": number})
        assert reply.json == page
        assert reply.headers["X-Link-Number"] == str(number)
        assert reply.headers["X-Link-Count"] == str(len(pages))
        assert ("next" in reply.links) == (number < len(pages))
        assert ("previous" in reply.links) == (number > 1)
        assert all("cursor=" in link and "page=" not in link for link in reply.links.values())
    reply = made.web.get(PATH, {"page": 2})
    assert made.web.rows(reply.links["next"]) == pages[2]
    assert made.web.rows(reply.links["previous"]) == pages[0]


def test_only_numbered_pages_are_counted(made: Made) -> None:
    """Counting takes time, so it is done where it is asked for; and no further than pages can be asked for."""
    assert made.web.get(PATH).headers["X-Link-Count"] is None
    assert made.web.get(PATH, {"page": 1, "rows_per_page": 1}).headers["X-Link-Count"] == "100"
    assert made.web.get(PATH, {"page": 1, "limit": 250}).headers["X-Link-Count"] == "3"
    assert made.web.get(PATH, {"page": 1, "category": "none"}).headers["X-Link-Count"] == "1"


def test_past_page_100_the_links_are_to_be_followed(made: Made) -> None:
    """Page 100 has a next page, and asking for 101 by its number says how to get there."""
    reply = made.web.get(PATH, {"page": 100, "rows_per_page": 2})
    assert made.web.get(reply.links["next"]).status == 200
    refused = made.web.get(PATH, {"page": 101, "rows_per_page": 2})
    assert refused.status == 400
    assert "page" in refused.error
    assert "Link" in refused.error


def test_links_carry_all_other_parameters(made: Made) -> None:
    """What was asked of a page is asked of the next, JSON-P included; what jQuery adds is not."""
    query = [
        ("category", "bodhi"),
        ("category", "ÿ ü"),
        ("start", START),
        ("order", "asc"),
        ("rows_per_page", 3),
    ]
    reply = made.web.get(PATH, [*query, ("callback", "f"), ("_", "1")], Accept="*/*")
    link = reply.links["next"]
    assert "_=1" not in link
    for part in (
        "category=bodhi",
        "category=%C3%BF+%C3%BC",
        f"start={START}",
        "rows_per_page=3",
        "callback=f",
    ):
        assert part in link
    assert made.web.get(link, Accept="*/*").body.startswith(b"f([{")


def test_rows_that_come_later_move_no_page(made: Made) -> None:
    """A cursor is a place, so a row that is new at the top repeats none and hides none."""
    link = made.web.get(PATH, {"rows_per_page": 98}).links["next"]
    with made.engine.begin() as connection:
        connection.execute(
            text(f"INSERT INTO data_volume_by_category_1s VALUES (to_timestamp({START + 999}), 'new', 1)")
        )
    try:
        found = [tuple(row.values()) for row in made.web.rows(link)]
    finally:
        with made.engine.begin() as connection:
            connection.execute(text("DELETE FROM data_volume_by_category_1s WHERE category = 'new'"))
    assert found == made.rows[98:196]


# Filters and ranges

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


# Sums


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


@pytest.mark.parametrize(
    "query", [{"group": "category"}, {"top": 10_000}, {"group": "timestamp", "top": 10_000}]
)
@pytest.mark.parametrize("order", ["desc", "asc"])
def test_sums_have_pages_too(query: dict[str, Any], order: str, made: Made) -> None:
    """Small pages together are the same as large ones, in both orders and both directions."""
    query = {**query, "order": order}
    whole = [row for page in made.web.pages(PATH, query) for row in page]
    volumes = [row["volume"] for row in whole]
    assert volumes == sorted(volumes, reverse=order == "desc")
    size = 3 if len(whole) < 10 else 97
    pages = made.web.pages(PATH, {**query, "rows_per_page": size})
    assert [row for page in pages for row in page] == whole
    reply = made.web.get(PATH, {**query, "rows_per_page": size})
    second = made.web.get(reply.links["next"])
    assert made.web.rows(second.links["previous"]) == pages[0]


# Cursors


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_text_of_the_cursors_pattern_is_some_place(data: st.DataObject, made: Made) -> None:
    """A cursor that nobody gave is a place like any other, and what is on its page is in the table."""
    parameters = made.web.get("/api/openapi.json").json["paths"][PATH]["get"]["parameters"]
    pattern = next(each["schema"]["pattern"] for each in parameters if each["name"] == "cursor")
    cursor = data.draw(st.from_regex(pattern.rstrip("$") + r"\Z"))
    query = data.draw(st.sampled_from([{}, {"group": "category"}, {"top": 5}, {"limit": 9}, {"page": 3}]))
    reply = made.web.get(PATH, {"cursor": cursor, **query})
    assert reply.status == 200
    if not query:
        assert {tuple(row.values()) for row in reply.json} <= set(made.rows)
    for link in reply.links.values():
        assert made.web.get(link).status == 200


def test_a_cursor_that_is_none_is_told(made: Made) -> None:
    """What is cut, changed or another plugin's gets 400."""
    link = made.web.get(PATH).links["next"]
    cursor = link.split("cursor=")[1]
    other = made.web.get("/api/volume-by-category-1m", {"cursor": cursor})
    for refused in (
        other,
        *(made.web.get(PATH, {"cursor": each}) for each in (cursor[:-1], "", "x", cursor + "=")),
    ):
        assert refused.status == 400
        assert refused.error.startswith("cursor must be one that a Link header")


# Forms


def test_csv_has_the_same_rows(made: Made) -> None:
    """A line of titles, instants in ISO 8601, and links as in JSON."""
    reply = made.web.get(PATH, {"rows_per_page": 50}, Accept="text/csv")
    assert reply.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    titles, *lines = csv.reader(io.StringIO(reply.body.decode(), newline=""))
    assert titles == ["timestamp", "category", "volume"]
    found = [(int(datetime.fromisoformat(line[0]).timestamp()), line[1], int(line[2])) for line in lines]
    assert found == made.rows[:50]
    assert lines[0][0] == datetime.fromtimestamp(made.rows[0][0], UTC).isoformat().replace("+00:00", "Z")
    assert made.web.get(reply.links["next"], Accept="text/csv").status == 200


def test_json_p_is_the_same_json_in_a_call(made: Made) -> None:
    """The function is called with what JSON would be."""
    plain = made.web.get(PATH, {"limit": 5})
    script = made.web.get(PATH, {"limit": 5, "callback": "a.b$_1"}, Accept="*/*")
    assert script.body == b"a.b$_1(" + plain.body + b");"
    assert json.loads(plain.body) == script_rows(made.web)


def script_rows(web: Client) -> Any:
    body = web.get(PATH, {"limit": 5, "callback": "f"}, Accept="*/*").body
    return json.loads(body.removeprefix(b"f(").removesuffix(b");"))
