"""Hears what PostgreSQL notifies, on one thread and one connection, however many want to know.

Through a pooler that lends its sessions, as PgBouncer in transaction mode does, LISTEN has no effect for who says it,
and an unwanted one for whoever gets the session next. So that is looked for first, and then nothing is said.
"""

from __future__ import annotations

import logging
import secrets
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any, Protocol

from psycopg2 import Error
from sqlalchemy import Engine, NullPool, Pool, StaticPool, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from statscache.component import Backoff
from statscache.database.engine import DRIVER_ARGUMENTS, connect_with_reserve
from statscache.database.sessions import LOOKS, shares_session
from statscache.database.trouble import first_line
from statscache.errors import StatscacheError

log = logging.getLogger(__name__)

#: What its connection is called in pg_stat_activity.
NAME = "statscache live"
#: How many seconds the server may take to let us in, and what it notifies to arrive.
CONNECT, ARRIVAL = 3, 2.0
#: After so many seconds without a word from the server it is asked for one.
BEAT = 30.0
#: In seconds: the first pause before it is tried again to listen, and the longest.
BACKOFF = Backoff(0.5, 30.0)


class Deaf(StatscacheError):
    """What is notified does not arrive."""


class Ear(Protocol):
    """Is told, on the listener's thread, what it hears."""

    def can_hear(self, can: bool) -> None:
        """Take that all that is notified from now on is heard, or that it is not.

        Before the first call it is not. Each time it can be heard, something may have been missed before.
        """

    def heard(self, notifications: Sequence[tuple[str, str]]) -> None:
        """Take notifications: the channel and the payload of each, in their order."""


class Listener:
    """Listens until it is stopped: after trouble, and where nothing can be heard, it tries again later.

    :param url: returns the database's URL; called on the thread
    """

    def __init__(self, url: Callable[[], str], channels: Sequence[str], ear: Ear) -> None:
        self._url = url
        self._channels = channels
        self._ear = ear
        self._ended = threading.Event()
        self._wake, self._woken = socket.socketpair()
        self._failures = 0
        self._thread = threading.Thread(target=self.run, name="statscache-listener", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Have the thread end, which then closes the connection. Does not wait for it."""
        self._ended.set()
        with suppress(OSError):  # the thread has ended
            self._wake.send(b"x")

    def join(self, patience: float) -> bool:
        """Wait for the thread to end, for so many seconds at most; return whether it has."""
        self._thread.join(patience)
        return not self._thread.is_alive()

    def run(self) -> None:
        """Listen until stopped. The body of the thread."""
        with self._wake, self._woken:
            while not self._ended.is_set():
                try:
                    self._try()
                except (DBAPIError, Error, StatscacheError, OSError) as error:
                    self._failed(error, None)
                except Exception as error:  # noqa: BLE001  the thread must not end
                    self._failed(error, error)

    def _failed(self, error: Exception, unknown: Exception | None) -> None:
        self._failures += 1
        if self._failures == 1:
            why = first_line(error)
            log.warning("changes of the database are not heard, and are asked for: %s", why, exc_info=unknown)
        self._ended.wait(BACKOFF.pause(self._failures))

    def _try(self) -> None:
        """Listen for as long as that goes well, or until stopped."""
        with self._connected() as (own, others), closing(own.raw_connection()) as holder:
            if shares_session(own, others):
                raise Deaf("a pooler lends the sessions, such as PgBouncer with pool_mode = transaction")
            session = Session(holder.driver_connection, self._woken)
            session.listen(self._channels)
            if not self._hears(session, others):
                session.unlisten(self._channels)
                if self._ended.is_set():
                    return
                raise Deaf("what is notified does not arrive, as through a pooler that lends its sessions")
            self._follow(session)

    @contextmanager
    def _connected(self) -> Iterator[tuple[Engine, Engine]]:
        """Give an engine with one connection, and one for others."""
        url = self._url()
        with ExitStack() as open_:
            engines = [_make_engine(url, pool) for pool in (StaticPool, NullPool)]
            for engine in engines:
                open_.callback(engine.dispose)
            yield engines[0], engines[1]

    def _hears(self, session: Session, others: Engine) -> bool:
        """Return whether what another session notifies arrives."""
        channel = f"statscache_probe_{secrets.token_hex(8)}"
        session.listen([channel])
        with others.connect() as connection:
            connection.exec_driver_sql(f"NOTIFY {channel}")
        hears, until = False, time.monotonic() + ARRIVAL
        while not (hears or self._ended.is_set()) and (left := until - time.monotonic()) > 0:
            hears = any(name == channel for name, _ in session.wait(left))
        session.unlisten([channel])
        return hears

    def _follow(self, session: Session) -> None:
        """Pass on what comes."""
        if self._failures:
            log.warning("changes of the database are heard again")
        self._failures = 0
        self._ear.can_hear(True)
        try:
            while not self._ended.is_set():
                heard = session.wait(BEAT)
                if heard:
                    self._ear.heard(heard)
        finally:
            self._ear.can_hear(False)


class Session:
    """A connection that the driver commits by itself.

    :param woken: readable once nobody wants to wait any longer
    """

    def __init__(self, connection: Any, woken: socket.socket) -> None:
        self._connection = connection
        self._woken = woken
        self._process = 0

    def listen(self, channels: Sequence[str]) -> None:
        """Listen to channels."""
        self._process = self._say("LISTEN", channels)

    def unlisten(self, channels: Sequence[str]) -> None:
        """Listen to channels no more, in the session of the server in which that was said."""
        for _ in range(LOOKS):
            if self._say("UNLISTEN", channels) == self._process:
                return

    def wait(self, patience: float) -> list[tuple[str, str]]:
        """Return the notifications that have come, once there are any or so many seconds are over.

        :raises psycopg2.Error: if the server is gone
        """
        if not self._connection.notifies:
            self._wait(patience)
        found = [(notify.channel, notify.payload) for notify in self._connection.notifies]
        self._connection.notifies.clear()
        return found

    def _wait(self, patience: float) -> None:
        with selectors.DefaultSelector() as selector:
            for each in (self._connection, self._woken):
                selector.register(each, selectors.EVENT_READ)
            if selector.select(patience):
                self._connection.poll()
            else:
                self._ask("SELECT 1")  # as a server that is gone says nothing

    def _say(self, word: str, channels: Sequence[str]) -> int:
        """Return the process of the server that has executed it."""
        return self._ask(
            "; ".join([*(f"{word} {channel}" for channel in channels), "SELECT pg_backend_pid()"])
        )

    def _ask(self, statement: str) -> int:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return int(cursor.fetchone()[0])


def _make_engine(url: str, pool: type[Pool]) -> Engine:
    arguments = {**DRIVER_ARGUMENTS, "application_name": NAME, "connect_timeout": CONNECT}
    given = {key: value for key, value in arguments.items() if key not in make_url(url).query}
    engine = create_engine(
        url, connect_args=given, poolclass=pool, isolation_level="AUTOCOMMIT", pool_reset_on_return=None
    )
    connect_with_reserve(engine)
    return engine
