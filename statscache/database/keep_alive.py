"""What keeps a transaction in which nothing is said to the server for a while, since its client computes.

The server ends the session of a client that is silent for too long in a transaction, as one is that froze.
"""

from __future__ import annotations

import time

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from statscache.database.trouble import first_line
from statscache.errors import StatscacheError

#: After so many seconds the server hears of us again.
SILENCE = 1.0


class ConnectionLost(StatscacheError):
    """The server does not answer any more, or has ended the transaction."""


class KeepAlive:
    """Lets the server know now and then that a client is at work.

    :param connection: in a transaction
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last = time.monotonic()

    def beat(self) -> None:
        """Let the server know, unless it was told a moment ago.

        :raises ConnectionLost: if it does not answer
        """
        if time.monotonic() - self._last <= SILENCE:
            return
        try:
            self._connection.exec_driver_sql("SELECT 1")
        except DBAPIError as error:
            raise ConnectionLost(first_line(error)) from error
        self._last = time.monotonic()
