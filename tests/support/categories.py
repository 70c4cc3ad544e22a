"""An API on many rows of few categories, to be asked for parts of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from tests.support.web import Server, filled

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


@contextmanager
def many_rows(server: Engine, directory: Path) -> Iterator[Made]:
    """Give an API on 1,300 rows of eight categories, some seconds of which have all and some only one."""
    with filled(server, directory) as (engine, web):
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
