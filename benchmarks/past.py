"""Tables as after weeks of counting, for measuring what shows figures."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, text

from benchmarks.growing import table
from benchmarks.hubs import path_with
from benchmarks.variables import PLUGINS
from tests.support.place import ALL_ON

#: So many statistics there are: eight of ours, and others of one table each.
STATISTICS, OURS = 20, 8
OTHERS = STATISTICS - OURS
ENTRIES = {"statscache.plugin": "growing = benchmarks.growing:plugins"}
#: The statistics with many rows, by the tables of each, the finest first: days have a table, minutes have, one has.
LARGE: Mapping[str, tuple[str, ...]] = {
    "volume-by-category": tuple(
        f"data_volume_by_category_{each}" for each in ("1s", "15s", "1m", "1h", "1d")
    ),
    "volume-by-topic": tuple(f"data_volume_by_topic_{each}" for each in ("1s", "5s", "1m")),
    "growing-000": (table(0),),
}
SECONDS = {"1s": 1, "5s": 5, "15s": 15, "1m": 60, "1h": 3600, "1d": 86_400}
#: So many days are filled; a large table has a row for each of so many keys at each of its instants.
DAYS, KEYS = 28, 20
MANY_ROWS = """
    INSERT INTO {table} ("timestamp", {key}, volume)
    SELECT CAST(:end AS timestamptz) - (n / :keys + 1) * :stride * interval '1 second', 'key' || n % :keys, n % 50 + 1
    FROM generate_series(CAST(:rows AS bigint) - 1, 0, -1) AS n
"""
COARSER = """
    INSERT INTO {coarser} ("timestamp", {key}, volume)
    SELECT date_bin(:width * interval '1 second', "timestamp", to_timestamp(0)), {key}, sum(volume)
    FROM {finer} GROUP BY 1, 2 ORDER BY 1, 2
"""
FEW_ROWS = """
    INSERT INTO {table} ("timestamp", {keys} volume)
    SELECT start, {values} extract(epoch FROM start)::bigint / 900 % 97 + 1
    FROM generate_series(CAST(:start AS timestamptz), :end, :width) AS start
"""
TABLES = text(
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^(data_(volume|pagure)|growing)_'"
)
KEY_COLUMNS = text("""
    SELECT column_name FROM information_schema.columns
    WHERE table_name = :table AND column_name NOT IN ('timestamp', 'volume') ORDER BY ordinal_position
""")
COVERED = text("""
    UPDATE statscache_coverage SET since = :start, updated = now(),
        covered = tstzmultirange(tstzrange(CAST(:start AS timestamptz), CAST(:end AS timestamptz)))
""")


def environment(place: Path) -> dict[str, str]:
    """Return the environment in which there are `STATISTICS` statistics."""
    return {PLUGINS: str(OTHERS), **path_with(place, ENTRIES)}


def settings(url: str, place: Path) -> dict[str, Any]:
    """Return the settings of what shows them."""
    return {
        "statscache.sqlalchemy.uri": url,
        "statscache.spool.directory": str(place / "spool"),
        "statscache.plugins.enabled": ALL_ON,
        "statscache.web.rate": 1_000_000,
    }


def make_tables(url: str, place: Path) -> None:
    """Make the tables, as a daemon does."""
    code = f"from statscache.app import open_app; open_app({settings(url, place)!r})"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **environment(place)}, check=True)


def fill(url: str, rows: int) -> None:
    """Fill the tables with the last `DAYS` days, all of which are complete.

    :param rows: how many rows each of the `LARGE` has
    """
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("SET statement_timeout = 0"))
        large = {name for names in LARGE.values() for name in names}
        for names in LARGE.values():
            _fill_large(connection, names, rows, end)
        for name in connection.scalars(TABLES).all():
            if name not in large:
                _fill_small(connection, name, end)
        connection.execute(COVERED, {"start": end - timedelta(days=DAYS), "end": end})
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


def _fill_large(connection: Connection, names: tuple[str, ...], rows: int, end: datetime) -> None:
    finest, *others = names
    (key,) = connection.scalars(KEY_COLUMNS, {"table": finest})
    # The windows of a table alone are so long that they need many more keys.
    stride = SECONDS.get(finest.rpartition("_")[2], 60)
    keys = max(KEYS, rows * stride // (DAYS * 86_400) + 1)
    stride = max(stride, DAYS * 86_400 * keys // rows // stride * stride)
    given = {"end": end, "keys": keys, "stride": stride, "rows": rows}
    connection.execute(text(MANY_ROWS.format(table=finest, key=key)), given)
    for finer, coarser in zip(names, others, strict=False):
        statement = COARSER.format(finer=finer, coarser=coarser, key=key)
        connection.execute(text(statement), {"width": SECONDS[coarser.rpartition("_")[2]]})


def _fill_small(connection: Connection, name: str, end: datetime) -> None:
    keys = connection.scalars(KEY_COLUMNS, {"table": name}).all()
    width = max(SECONDS.get(name.rpartition("_")[2], 60), 900)
    names, values = (f"{key}, " for key in keys), ("'key', " for _ in keys)
    statement = FEW_ROWS.format(table=name, keys="".join(names), values="".join(values))
    connection.execute(
        text(statement), {"start": end - timedelta(days=DAYS), "end": end, "width": timedelta(seconds=width)}
    )
