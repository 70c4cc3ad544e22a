"""Tables of other authors' plugins on the HTTP API: whatever columns and keys they have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from tests.support.databases import new_database
from tests.support.packages import IDLE, install
from tests.support.place import Place
from tests.support.web import Server

CODE = (
    IDLE
    + """
import uuid
from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import ARRAY, Date, DateTime, Float, Integer, Interval, LargeBinary, Numeric, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import mapped_column as column
from statscache.plugins import BaseModel, CategorizedLogModel, CategorizedModel, counting_model
from statscache.plugins import Base, CountingPlugin


class Edits(CountingPlugin):
    name = summary = description = "edits"
    interval = timedelta(hours=1)
    model = counting_model("web_edits", "edits", page="its title", order="another")

    def process(self, message):
        pass


class Log(CategorizedLogModel):
    __tablename__ = "web_log"


class Figures(CategorizedModel):
    __tablename__ = "web_figures"


class Odd(Base):
    __tablename__ = "web_odd"
    key = column(Uuid, primary_key=True)
    day = column(Date, primary_key=True)
    size = column(Numeric, primary_key=True)
    ratio = column(Float)
    count = column(Integer, nullable=True)
    words = column(ARRAY(Text), nullable=True)
    data = column(LargeBinary, nullable=True)
    took = column(Interval, nullable=True)
    extra = column(JSONB, nullable=True)
    local = column(DateTime, nullable=True)


class Local(Base):
    __tablename__ = "web_local"
    timestamp = column(DateTime, primary_key=True)
    number = column(Integer, primary_key=True)


class Sometimes(BaseModel):
    __tablename__ = "web_sometimes"
    timestamp = column(DateTime(timezone=True), nullable=True)


class Nothing(Plugin):
    name = summary = description = "nothing"


plugins = [
    Edits, plugin("log", Log), plugin("figures", Figures), plugin("odd", Odd), plugin("local", Local),
    plugin("sometimes", Sometimes), Nothing,
]
"""
)
FILL = [
    "INSERT INTO web_edits SELECT to_timestamp(1700000000 + n / 5 * 3600), 'page ' || n % 5, 'up', n "
    "FROM generate_series(0, 249) AS n",
    "INSERT INTO web_log SELECT n, to_timestamp(1700000000 + n / 3), 'c' || n % 4, '{\"n\": ' || n || '}' "
    "FROM generate_series(1, 250) AS n",
    "INSERT INTO web_figures SELECT n, to_timestamp(1700000000), 'c' || n % 4, n FROM generate_series(1, 250) AS n",
    "INSERT INTO web_odd SELECT gen_random_uuid(), date '2024-01-01' + n % 3, n / 7.0, 'NaN' FROM "
    "generate_series(1, 248) AS n",
    "INSERT INTO web_odd VALUES ('00000000-0000-0000-0000-000000000000', '2024-02-29', 1, 0.5, 3, '{a,\"b c\"}', "
    "'\\xff', '1 day', '{\"a\": [1, null]}', '2024-05-31 12:00')",
    "INSERT INTO web_local SELECT timestamp '2023-11-14 22:13:20' + n / 3 * interval '1 second', n "
    "FROM generate_series(1, 250) AS n",
    "INSERT INTO web_sometimes SELECT n, CASE WHEN n % 2 = 0 THEN to_timestamp(1700000000 + n) END "
    "FROM generate_series(1, 250) AS n",
]


@dataclass
class Made:
    """An API on those tables."""

    web: Server
    engine: Engine

    def column(self, statement: str) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.scalars(text(statement)))


@pytest.fixture(scope="module")
def made(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """An API on the tables of a package that is installed beside statscache."""
    directory = tmp_path_factory.mktemp("authors")
    package = install(directory / "installed", "webauthors", CODE, webauthors="plugins")
    with new_database(server) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", package)
        Place(directory, url).write("none.jsonl", "")
        assert Place(directory, url).run("replay", "none.jsonl")[0] == 0
        engine = create_engine(url)
        with engine.begin() as connection:
            for statement in FILL:
                connection.exec_driver_sql(statement.replace("%", "%%"))
        web = Server(directory, url)
        yield Made(web, engine)
        assert web.end() == (0, "")
        engine.dispose()


@pytest.mark.parametrize(
    ("ident", "order"),
    [
        ("edits-1h", "timestamp, page"),
        ("log", "timestamp, id"),
        ("figures", "timestamp, id"),
        ("odd", "key, day, size"),
        ("local", "timestamp, number"),
        ("sometimes", "id"),
    ],
)
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_the_pages_together_are_the_table(ident: str, order: str, direction: str, made: Made) -> None:
    """In the order of their instants, or else of their keys, whatever types these have; and back."""
    key = {"edits-1h": "page || timestamp", "odd": "key", "local": "number"}.get(ident, "id")
    ordered = ", ".join(f"{part} {direction}" for part in order.split(", "))
    expected = made.column(f"SELECT {key} FROM web_{ident.removesuffix('-1h')} ORDER BY {ordered}")
    names = {"odd": "key", "local": "number"}
    pages = made.web.pages(f"/api/{ident}", {"order": direction, "rows_per_page": 40})
    assert [len(page) for page in pages[:-1]] == [40] * (len(pages) - 1)
    rows = [row for page in pages for row in page]
    if ident == "edits-1h":
        found = [(row["page"], row["timestamp"]) for row in rows]
        assert len(set(found)) == len(found) == len(expected)
        assert found == sorted(found, key=lambda pair: pair[::-1], reverse=direction == "desc")
    else:
        assert [str(row[names.get(ident, "id")]) for row in rows] == [str(value) for value in expected]
    second = made.web.get(
        made.web.get(f"/api/{ident}", {"order": direction, "rows_per_page": 40}).links["next"]
    )
    assert made.web.rows(second.links["previous"]) == pages[0]


def test_columns_of_any_type_can_be_read(made: Made) -> None:
    """What JSON has no word for is a text as PostgreSQL writes it; NaN is null."""
    row = made.web.rows("/api/odd", {"order": "asc"})[0]
    extra = row.pop("extra")
    assert json.loads(extra) == {"a": [1, None]}
    assert row == {
        "key": "00000000-0000-0000-0000-000000000000",
        "day": "2024-02-29",
        "size": 1.0,
        "ratio": 0.5,
        "count": 3,
        "words": '{a,"b c"}',
        "data": "\\xff",
        "took": "1 day",
        "local": int(datetime(2024, 5, 31, 12, tzinfo=UTC).timestamp()),
    }
    other = made.web.rows("/api/odd", {"order": "asc"})[1]
    assert (other["ratio"], other["count"], other["extra"]) == (None, None, None)


def test_a_key_with_the_name_of_a_parameter_can_be_filtered_by(made: Made) -> None:
    """Its own parameter begins with key., so that page is still the page."""
    rows = made.web.rows(
        "/api/edits-1h", {"key.page": "page 3", "key.order": "up", "page": 1, "order": "asc"}
    )
    assert {row["page"] for row in rows} == {"page 3"}
    assert len(rows) == 50
    assert made.web.get("/api/edits-1h", {"page": "page 3"}).status == 400
    sums = made.web.rows("/api/edits-1h", {"group": "page", "top": 2})
    assert [row["page"] for row in sums] == ["page 4", "page 3"]


def test_logs_of_the_older_kind_can_be_filtered(made: Made) -> None:
    """Their category is a text that is no key; the message is not to be filtered by."""
    rows = made.web.rows("/api/log", {"category": ["c1", "c3"], "start": 1_700_000_010})
    assert {row["category"] for row in rows} == {"c1", "c3"}
    assert json.loads(rows[0]["message"])["n"] == 249
    assert made.web.get("/api/log", {"message": "x"}).status == 400
    assert made.web.get("/api/log", {"group": "category"}).status == 400


def test_an_instant_without_a_zone_is_in_utc(made: Made) -> None:
    """start and stop mean the same on a column that has none."""
    rows = made.web.rows("/api/local", {"start": 1_700_000_010, "stop": 1_700_000_011})
    assert {row["timestamp"] for row in rows} == {1_700_000_010}
    assert len(rows) == 3


def test_a_plugin_without_a_table_has_nothing_to_give(made: Made) -> None:
    """So it is not listed."""
    assert "nothing" not in made.web.get("/api/").json
    assert made.web.get("/api/nothing").status == 404


def test_a_cursor_that_fits_no_key_is_told(made: Made) -> None:
    """A text that is no UUID gets 400, not the database's words."""
    start, cursor = made.web.get("/api/odd", {"rows_per_page": 40}).links["next"].split("cursor=")
    reply = made.web.get(f"{start}cursor={cursor[:35]}AAAA")
    assert reply.status == 400
    assert reply.error.startswith("cursor must be")
