"""An API on rows of every hour around the times at which clocks in Europe are set, to be summed by period."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, text

from tests.support.web import Server, filled

PATH = "/api/volume-by-category-1h"
KEYS = ("bodhi", "git", "Ω \"'")
HOUR = 3600
#: The seconds in which the rows begin and end, in the spring and in the autumn.
SPRING = (1_711_756_800, 1_712_016_000)  # 2024-03-30 to 2024-04-02
AUTUMN = (1_729_900_800, 1_730_160_000)  # 2024-10-26 to 2024-10-29
Row = tuple[int, str, int]


@dataclass
class Hourly:
    """An API, and the rows of `PATH`: their second, key and volume."""

    web: Server
    engine: Engine
    rows: list[Row]

    def days(self, zone: str, key: str | None = None) -> Counter[date]:
        """Return the sums of each date in a zone, by what its clocks show at each row."""
        found: Counter[date] = Counter()
        for second, its, volume in self.rows:
            if key in (None, its):
                found[datetime.fromtimestamp(second, ZoneInfo(zone)).date()] += volume
        return found

    def covers(self, *spans: tuple[int, int], plugin: str = "volume-by-category-1h") -> None:
        """Have only these spans counted by a plugin, or by the parts of an umbrella."""
        ranges = ", ".join(f"tstzrange(to_timestamp({start}), to_timestamp({stop}))" for start, stop in spans)
        statement = (
            f"UPDATE statscache_coverage SET covered = tstzmultirange({ranges}) "
            "WHERE plugin = :plugin OR plugin LIKE :plugin || '/%'"
        )
        with self.engine.begin() as connection:
            connection.execute(text(statement), {"plugin": plugin})

    def run(self, statement: str, **values: Any) -> None:
        """Run a statement on the database."""
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)


def second_of(when: str) -> int:
    """Return an instant, which is in UTC unless it says otherwise, in seconds since 1970."""
    instant = datetime.fromisoformat(when)
    return int((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp())


def midnights(first: date, last: date, zone: str) -> list[int]:
    """Return when each day begins in a zone whose clocks are not set at midnight."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp()) for day in days]


@contextmanager
def hourly(server: Engine, directory: Path) -> Iterator[Hourly]:
    """Give an API on such rows, which nobody has counted: no time is complete."""
    with filled(server, directory) as (engine, web):
        rows = [
            (second, key, (second // HOUR + number) % 11 + 1)
            for start, stop in (SPRING, AUTUMN)
            for second in range(start, stop, HOUR)
            for number, key in enumerate(KEYS)
            if second // HOUR % (number + 1) == 0
        ]
        insert = "INSERT INTO data_volume_by_category_1h VALUES (to_timestamp(:t), :c, :v)"
        with engine.begin() as connection:
            connection.execute(text(insert), [{"t": t, "c": c, "v": v} for t, c, v in rows])
        yield Hourly(web, engine, rows)
