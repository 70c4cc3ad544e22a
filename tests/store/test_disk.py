"""How large the tables are, and how fast they grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, Engine, text

from statscache.daemon import Daemon
from statscache.schema.prepare import CORE_TABLES
from statscache.store.disk import database_bytes, tables_on_disk, total
from statscache.store.disk_use import TableUse
from statscache.store.sample import ENOUGH
from statscache.upkeep.disk import FIRST_S, MeasureDisk, disk_use
from tests.support.bench import Bench, Good
from tests.support.sql import run, scalar

#: A month before today, and what was covered since then.
MONTH_AGO = "(date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '30 days')"
COVERED = "UPDATE statscache_coverage SET covered = tstzmultirange(tstzrange({}, now()))"
#: Rows for forty days, one for each so many seconds, in each hour of the second half of a day three times as many.
ROWS = """
INSERT INTO data_volume_1s SELECT second, 1
FROM generate_series({month} - interval '10 days', now(), interval '{seconds} seconds') AS second
WHERE extract(hour FROM second) >= 12 OR extract(epoch FROM second)::bigint % (3 * {seconds}) = 0
"""
IN_THE_MONTH = (
    "SELECT count(*) FROM data_volume_1s "
    f"WHERE timestamp >= {MONTH_AGO} AND timestamp < {MONTH_AGO} + interval '30 days'"
)
READ = """
SELECT sum(pg_stat_get_xact_blocks_fetched(oid)), sum(pg_relation_size(oid)) / 8192
FROM pg_class WHERE relname IN ('data_volume_1s', 'data_volume_1s_pkey')
"""


@pytest.fixture
def connection(daemon: Daemon, engine: Engine) -> Iterator[Connection]:
    """A connection to a database with the tables of all plugins."""
    with engine.connect() as connection:
        yield connection


def use_of(connection: Connection, name: str) -> TableUse:
    """Return what one table uses."""
    return next(its for its in disk_use(connection) if its.table.name == name)


def rows_of(connection: Connection, name: str) -> float:
    """Return how many rows a table gets in 30 days, as far as that was measured."""
    growth = use_of(connection, name).growth
    assert growth is not None
    assert growth.rows is not None, growth.reason
    return growth.rows


def test_each_table_is_there_with_all_its_files(connection: Connection) -> None:
    """Heap, indexes and toast are the whole of it, for statscache's own tables and those of plugins."""
    found = tables_on_disk(connection)
    names = {table.name for table in found}
    assert names > CORE_TABLES
    assert names > {"data_volume_1s", "data_note"}
    for table in found:
        whole = connection.scalar(text("SELECT pg_total_relation_size(:oid)"), {"oid": table.oid})
        assert table.files is not None
        assert (table.files.bytes, table.partitions) == (whole, 0)
    assert database_bytes(connection) > total(found)


def test_partitions_are_parts_of_their_table(make_bench: Callable[..., Bench], engine: Engine) -> None:
    """What they take is summed, and they are no tables of their own, at whatever depth."""
    make_bench(Good).die()
    run(
        engine,
        "DROP TABLE test_good CASCADE",
        "CREATE TABLE test_good (timestamp timestamptz, word text, volume bigint, PRIMARY KEY (timestamp, word)) "
        "PARTITION BY RANGE (timestamp)",
        "CREATE TABLE old PARTITION OF test_good FOR VALUES FROM (MINVALUE) TO ('2020-01-01+00') "
        "PARTITION BY RANGE (timestamp)",
        "CREATE TABLE oldest PARTITION OF old DEFAULT",
        "CREATE TABLE others PARTITION OF test_good DEFAULT",
        "INSERT INTO test_good SELECT to_timestamp(n * 3e6), 'x', 1 FROM generate_series(1, 1000) AS n",
        "ANALYZE oldest, others",
    )
    with engine.connect() as connection:
        use = use_of(connection, "test_good")
    assert use.table.files is not None
    assert (use.table.partitions, use.table.files.rows) == (3, 1000)
    parts = "SELECT sum(pg_total_relation_size(name)) FROM unnest(ARRAY['oldest', 'others']) AS name"
    assert use.table.files.bytes == scalar(engine, parts)


def test_what_is_small_is_counted(connection: Connection, engine: Engine) -> None:
    """Of the rows of the last 30 days before today, each one; the bytes are what a row takes now."""
    run(
        engine,
        COVERED.format(MONTH_AGO),
        ROWS.format(month=MONTH_AGO, seconds=3600),
        "ANALYZE data_volume_1s",
    )
    assert rows_of(connection, "data_volume_1s") == scalar(engine, IN_THE_MONTH) == 30 * (12 + 4)
    use = use_of(connection, "data_volume_1s")
    assert use.table.files is not None
    assert use.growth is not None
    assert use.growth.share == 1
    assert use.growth_bytes == pytest.approx(480 * use.table.files.bytes / use.table.files.rows)


@pytest.mark.slow
def test_of_what_is_large_little_is_read(connection: Connection, engine: Engine) -> None:
    """A sample over all hours tells how it grows, at a small part of what reading it would take."""
    run(engine, COVERED.format(MONTH_AGO), ROWS.format(month=MONTH_AGO, seconds=4), "ANALYZE data_volume_1s")
    growth = use_of(connection, "data_volume_1s").growth
    assert growth is not None
    fetched, pages = connection.execute(text(READ)).one()
    true = scalar(engine, IN_THE_MONTH)
    assert true > 20 * ENOUGH
    assert growth.rows == pytest.approx(true, rel=0.05)
    assert growth.share < 0.1
    assert fetched < pages / 2


def test_a_gap_does_not_make_it_look_slow(connection: Connection, engine: Engine) -> None:
    """Only complete time is looked at: ten days of it tell what thirty will bring."""
    run(
        engine,
        COVERED.format(f"{MONTH_AGO} + interval '20 days'"),
        ROWS.format(month=MONTH_AGO, seconds=3600),
        f"DELETE FROM data_volume_1s WHERE timestamp < {MONTH_AGO} + interval '20 days'",
    )
    assert rows_of(connection, "data_volume_1s") == pytest.approx(480, rel=0.02)


def test_what_cannot_be_known_is_not_nothing(connection: Connection, engine: Engine) -> None:
    """A table whose time is not complete for a day has no growth, and a table without windows is not asked."""
    run(engine, ROWS.format(month=MONTH_AGO, seconds=3600))
    use = use_of(connection, "data_volume_1s")
    assert use.growth is not None
    assert (use.growth.rows, use.growth_bytes) == (None, None)
    assert use.growth.reason == "less than a day of the last 30 is complete"
    assert use_of(connection, "statscache_ledger").growth is None


def test_windows_with_very_many_rows_give_a_lower_bound(
    connection: Connection, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one window holds more rows than are read, there are at least as many, and that is said."""
    monkeypatch.setattr("statscache.store.sample.MOST", 50)
    run(
        engine,
        COVERED.format(MONTH_AGO),
        "INSERT INTO data_volume_by_topic_1d SELECT day, key::text, 1 "
        f"FROM generate_series({MONTH_AGO}, now(), interval '1 day') AS day, generate_series(1, 100) AS key",
    )
    growth = use_of(connection, "data_volume_by_topic_1d").growth
    assert growth is not None
    assert growth.rows is not None
    assert growth.least
    assert growth.rows <= 3000


def test_nobody_who_holds_a_table_is_waited_for(connection: Connection, engine: Engine) -> None:
    """Its size is not known, and those of the others are."""
    run(engine, COVERED.format(MONTH_AGO))
    with engine.begin() as holder:
        holder.execute(text("LOCK TABLE data_volume_1s"))
        found = {its.table.name: its for its in disk_use(connection)}
    assert found["data_volume_1s"].table.files is None
    assert found["data_volume_1s"].growth is not None
    assert found["data_volume_1s"].growth.reason == "somebody holds it alone"
    assert found["data_volume_1m"].table.files is not None


def test_the_daemon_looks_at_one_table_at_a_time(daemon: Daemon, engine: Engine) -> None:
    """A while after the start it looks at all sizes, then at the growth of one table after the other."""
    run(engine, COVERED.format(MONTH_AGO))
    now = 0.0
    chore = MeasureDisk(daemon.engine, clock=lambda: now)
    assert not chore.run()
    assert chore.latest == ()
    now = FIRST_S
    assert chore.run()
    assert all(its.growth is None for its in chore.latest)
    looks = 1
    while chore.run():
        looks += 1
    known = [its for its in chore.latest if its.growth is not None]
    assert len(known) == looks
    assert all(its.growth_bytes == 0 for its in known)
    assert not chore.run()
