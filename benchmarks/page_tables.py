"""Tables of a year for twenty statistics, three of which have very many rows: what the page is measured on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.types import TEXT

PACKAGE = "pagethings"
#: Four statistics of somebody's own, whose only tables have windows of a minute.
CODE = """
from datetime import timedelta

from statscache.plugins import CountingPlugin, counting_model


def plugin(number):
    class Things(CountingPlugin):
        name = f"things {number}"
        summary = f"Things of sort {number}"
        description = "How many things there are, by kind."
        interval = timedelta(minutes=1)
        model = counting_model(f"data_things_{number}_1m", "how many things", kind="the kind")

        def process(self, message):
            pass

    return Things


plugins = [plugin(number) for number in range(1, 5)]
"""
STATISTICS = 20
DAYS = 365
#: The tables of many rows: how many seconds a window has, how many values its key has, and how many windows with rows
#: come one upon the other.
LARGE = {
    "data_volume_by_category_1s": (1, 20, 900),
    "data_volume_by_user_1h": (3600, 5_000, 1),
    "data_things_1_1m": (60, 20, 1),
}
#: The tables that are summed up from these, with their windows.
COARSER = {
    "data_volume_by_category_15s": ("data_volume_by_category_1s", 15),
    "data_volume_by_category_1m": ("data_volume_by_category_15s", 60),
    "data_volume_by_category_1h": ("data_volume_by_category_1m", 3600),
    "data_volume_by_category_1d": ("data_volume_by_category_1h", 86_400),
    "data_volume_by_user_1d": ("data_volume_by_user_1h", 86_400),
}
#: So many rows has any other table, at most.
SMALL = 20_000
WINDOWS = {"1s": 1, "5s": 5, "15s": 15, "1m": 60, "1h": 3600, "1d": 86_400}
COVERED = text("""
    UPDATE statscache_coverage SET since = :start, updated = now(),
        covered = tstzmultirange(tstzrange(:start, :stop))
""")


def fill(url: str, rows: int) -> None:
    """Fill the tables that a daemon has made with the figures of a year up to now, every second of it covered."""
    stop = datetime.now(UTC).replace(microsecond=0)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in (*_large(rows), *_coarser(), *_small(connection)):
            connection.execute(text(statement), {"start": stop - timedelta(days=DAYS), "stop": stop})
        connection.execute(COVERED, {"start": stop - timedelta(days=DAYS), "stop": stop})
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


def _large(rows: int) -> Iterator[str]:
    """Yield what fills the large tables: each value of the key comes in turn, as often as there are windows for it."""
    for table, (seconds, values, together) in LARGE.items():
        at_once = max(1, min(values, rows * seconds // (DAYS * 86_400))) if together == 1 else values
        place = f"n / {at_once}"
        share = f"CAST({place} / {together} AS float8) / {rows // at_once // together + 1}"
        begin = f"CAST(:start AS timestamptz) + {share} * interval '{DAYS} days'"
        yield (
            f"INSERT INTO {table} SELECT date_bin('{seconds * together} seconds', {begin}, to_timestamp(0)) "
            f"+ {place} % {together} * interval '{seconds} seconds', 'value ' || n % {values}, n % 50 + 1 "
            f"FROM generate_series(0, {rows - 1}) AS n ON CONFLICT DO NOTHING"
        )


def _coarser() -> Iterator[str]:
    for table, (source, seconds) in COARSER.items():
        key = "username" if "user" in table else "category"
        yield (
            f"INSERT INTO {table} (timestamp, {key}, volume) SELECT "
            f"date_bin('{seconds} seconds', timestamp, to_timestamp(0)), {key}, sum(volume) FROM {source} GROUP BY 1, 2"
        )


def _small(connection: Connection) -> Iterator[str]:
    """Yield what fills the other tables of windows, each with as many as a year has, if those are not too many."""
    for table in inspect(connection).get_table_names():
        length = WINDOWS.get(table.rpartition("_")[2])
        if table.startswith("data_") and length and table not in LARGE and table not in COARSER:
            yield _rows(connection, table, length)


def _rows(connection: Connection, table: str, length: int) -> str:
    windows = min(DAYS * 86_400 // length, SMALL)
    columns = {
        "timestamp": f"date_bin('{length} seconds', CAST(:stop AS timestamptz), to_timestamp(0)) "
        f"- n * interval '{length} seconds'"
    }
    for column in inspect(connection).get_columns(table):
        is_text = isinstance(column["type"], TEXT) or column["type"].python_type is str
        columns.setdefault(column["name"], "'value ' || n % 7" if is_text else "n % 50 + 1")
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(columns.values())} "
        f"FROM generate_series(1, {windows}) AS n ON CONFLICT DO NOTHING"
    )
