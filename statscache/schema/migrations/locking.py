"""Changes of tables that others write to: each waits a moment for its lock, holds it for a moment, and tries again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from statscache.database.lock import counting
from statscache.database.trouble import CANCELLED, first_line, is_deadlock, is_locked_out, state_of
from statscache.errors import StatscacheError

#: So long a statement waits for a lock, and so long it may hold it: both keep others waiting.
QUICK = "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '1800ms'"
#: The pauses in seconds between tries; who has waited meanwhile is done in the first of them.
PAUSES = (0.2, 0.5, 1.0)
LONG_PAUSES = (*PAUSES, 2.0, 4.0, *[8.0] * 70)


class Busy(StatscacheError):
    """A table could not be had, as somebody held it; the text is what the database says."""


def alone(engine: Engine, work: Callable[[Connection], None], pauses: Sequence[float] = PAUSES) -> None:
    """Do something quick to tables in a transaction while nobody counts.

    :param pauses: in seconds, before each further try
    :raises Busy: if others hold the tables all the time
    """

    def once() -> None:
        with counting(engine, patient=True) as connection, quickly(connection):
            work(connection)

    persist(once, pauses)


def beside(engine: Engine, work: Callable[[Connection], None], pauses: Sequence[float] = LONG_PAUSES) -> None:
    """Do something quick to tables in a transaction while others count.

    :param pauses: in seconds, before each further try
    :raises Busy: if others hold the tables all the time
    """

    def once() -> None:
        with engine.begin() as connection, quickly(connection):
            work(connection)

    persist(once, pauses)


def persist(work: Callable[[], None], pauses: Sequence[float]) -> None:
    """Do something until nobody holds what it needs, with pauses in seconds.

    :raises Busy: if it was held each time
    """
    for pause in pauses:
        try:
            return work()
        except Busy:
            time.sleep(pause)
    return work()


@contextmanager
def quickly(connection: Connection) -> Iterator[None]:
    """Let no statement of a transaction wait for a lock, or hold it, for longer than a moment.

    :raises Busy: if one would
    """
    connection.exec_driver_sql(QUICK)
    try:
        yield
    except DBAPIError as error:
        if is_locked_out(error) or is_deadlock(error) or state_of(error) == CANCELLED:
            raise Busy(first_line(error)) from error
        raise
