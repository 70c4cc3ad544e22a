"""Ten years of partitions of all tables that are partitioned by default, with as many locks as PostgreSQL has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from statscache.daemon import Daemon, open_daemon
from statscache.schema.partitioning import partitioned
from statscache.schema.partitions.present import Parted, parted
from statscache.schema.partitions.statements import partition_beside
from statscache.schema.partitions.units import Unit
from statscache.upkeep.removals import NoteRemovals
from tests.support.tools import Tools, plain

#: The first second of 2016.
FIRST = 1_451_606_400
MONTHS = 120
KEEP = {f"{length}{unit}": "11y" for unit in "sm" for length in (1, 5, 15, 30)}
HELD = "SELECT current_setting('max_locks_per_transaction')::int, current_setting('max_connections')::int"


def fill(connection: Connection, its: Parted) -> None:
    """Let a table have a partition for each month of ten years."""
    span = Unit.MONTH.period(FIRST)
    for _ in range(MONTHS):
        if its.is_free(span):
            statements = partition_beside(its.sql, its.named(Unit.MONTH.suffix(span)), its.rest, span)
            connection.exec_driver_sql("; ".join(statements), execution_options={"no_parameters": True})
        span = Unit.MONTH.period(span.stop)


def start(config: dict[str, Any]) -> Daemon:
    """Start a daemon, and end it."""
    daemon = open_daemon(config)
    daemon.finish(10)
    return daemon


@pytest.mark.slow
def test_ten_years_of_partitions(config: dict[str, Any], engine: Engine, tool: Tools, tmp_path: Path) -> None:
    """Everything is counted, dumped and started."""
    config["statscache.keep"] = KEEP
    daemon = start(config)
    tables = [its.table for its in partitioned(daemon.app.parts, {})]
    with engine.connect() as connection:
        found = parted(connection, tables)
        assert [its.table for its in found] == tables
    for its in found:
        with engine.begin() as connection:
            fill(connection, its)
    with engine.connect() as connection:
        assert min(len(its.partitions) for its in parted(connection, tables)) >= MONTHS
        assert connection.execute(text(HELD)).one() == (64, 100)
    daemon = start(config)
    with engine.connect() as connection:
        for table in tables:
            assert connection.scalar(text(f"SELECT count(*) FROM {table.fullname}")) == 0
    url = plain(config["statscache.sqlalchemy.uri"])
    tool("pg_dump", "--format=custom", f"--file={tmp_path / 'dump'}", f"--dbname={url}")
    NoteRemovals(engine, daemon.app.parts).run()
