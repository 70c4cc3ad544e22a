"""Changes of tables that others write to: each waits a moment for its locks, holds them for a moment, or tries again.

However many statements a transaction has, it lasts for no longer than `MOST_S` from the first on: then it is rolled
back. The server sees to that, also when the process that sent them is stopped.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from statscache.database.lock import counting
from statscache.database.trouble import CANCELLED, TOO_LONG, first_line, is_deadlock, is_locked_out, state_of
from statscache.errors import StatscacheError

#: So long in seconds a transaction may last, and a statement of it wait for a lock: both keep others waiting.
MOST_S, WAIT_S = 1.8, 1.0
QUICK = (
    "SET LOCAL lock_timeout = {wait}; SET LOCAL statement_timeout = {left}; "
    "SET LOCAL idle_in_transaction_session_timeout = {left}"
)
#: What has no statement in it though it may have a semicolon.
TEXTS = re.compile(r"""\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'|"[^"]*"|--[^\n]*""", re.DOTALL)
SEVERAL = re.compile(r";\s*\S")
#: The pauses in seconds between tries; who has waited meanwhile is done in the first of them.
PAUSES = (0.2, 0.5, 1.0)
LONG_PAUSES = (*PAUSES, 2.0, 4.0, *[8.0] * 70)
NOT_THROUGH = f"it did not get through in {MOST_S} s"


class Busy(StatscacheError):
    """A table could not be had for long enough, as somebody held it or the server is slow; the text says which."""


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
    """Let a transaction last for no longer than a moment, and none of its statements wait for a lock for longer.

    :raises Busy: if it would
    """
    budget = Budget()
    event.listen(connection, "before_cursor_execute", budget.limit)
    try:
        yield
        budget.left_ms()
    except Busy:
        connection.invalidate()  # the server may have ended it, which a ROLLBACK would tell of
        raise
    except DBAPIError as error:
        if state_of(error) in (CANCELLED, *TOO_LONG):
            raise Busy(NOT_THROUGH) from error
        if is_locked_out(error) or is_deadlock(error):
            raise Busy(first_line(error)) from error
        raise
    finally:
        event.remove(connection, "before_cursor_execute", budget.limit)


class Budget:
    """What is left of the time that a transaction may take."""

    def __init__(self) -> None:
        self._ends = time.monotonic() + MOST_S

    def left_ms(self) -> int:
        """Return it in milliseconds.

        :raises Busy: if there is nothing left
        """
        left = math.floor(1000 * (self._ends - time.monotonic()))
        if left <= 0:
            raise Busy(NOT_THROUGH)
        return left

    def limit(self, _: Connection, cursor: Any, statement: str, *others: Any) -> None:
        """Let the next statement of the transaction take no longer than that.

        :raises Busy: if there is nothing left
        """
        if statement.startswith("ROLLBACK"):
            return
        # The server would let each of them take the whole time.
        assert not SEVERAL.search(TEXTS.sub("", statement)), f"several statements at once: {statement}"
        left = self.left_ms()
        cursor.execute(QUICK.format(left=left, wait=min(left, math.floor(1000 * WAIT_S))))
