"""The advisory lock that everything which counts takes first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, func, select

#: The key of the advisory lock that everything which counts takes first ("statscac" as a number).
LOCK = int.from_bytes(b"statscac", "big")
#: The execution option of a connection that writes nothing which others can see, and so needs no lock.
APART = "statscache_apart"
PATIENCE = "SET LOCAL lock_timeout = '5min'; SET LOCAL statement_timeout = '6min'"


@contextmanager
def counting(engine: Engine, patient: bool = False) -> Iterator[Connection]:
    """Give a connection in a transaction that nobody else who counts runs at the same time.

    :param patient: whether to wait for minutes, as a start should while another daemon is at work
    """
    with engine.begin() as connection:
        if patient:
            connection.exec_driver_sql(PATIENCE)
        if not connection.get_execution_options().get(APART):
            connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
        yield connection
