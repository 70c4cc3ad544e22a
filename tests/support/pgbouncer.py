"""A real PgBouncer before the tests' server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg2
from sqlalchemy.engine import URL, make_url

from statscache.demo.processes import free_port
from tests.support.sql import url_of

#: What has outlived the transactions of a session, but for what PgBouncer itself sets as each client has it.
LEFT = """
SELECT pg_backend_pid(), (SELECT array_agg(name || ' = ' || setting ORDER BY name) FROM pg_settings
    WHERE source = 'session' AND name NOT IN
        ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings')),
    (SELECT array_agg(relname ORDER BY relname) FROM pg_class WHERE relnamespace = pg_my_temp_schema()),
    (SELECT array_agg(objid ORDER BY objid) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'),
    (SELECT array_agg(channel) FROM pg_listening_channels() AS channel)
"""
BINARY = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")


class PgBouncer:
    """A process of PgBouncer, with few sessions of the server for many clients.

    :param url: of a database on a local socket
    :param directory: for its files
    :param mode: its `pool_mode`
    :param size: how many sessions it has
    """

    def __init__(self, url: URL, directory: Path, mode: str = "transaction", size: int = 4) -> None:
        self.port = free_port()
        self._config = directory / "pgbouncer.ini"
        users = directory / "users.txt"
        users.write_text(f'"{url.username}" ""\n')
        self._config.write_text(
            f"[databases]\n* = host={url.query['host']} port={url.port or 5432} user={url.username}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = any\nauth_file = {users}\npool_mode = {mode}\ndefault_pool_size = {size}\n"
            f"max_client_conn = 200\nserver_reset_query =\nlogfile = {directory / 'pgbouncer.log'}\n"
            f"admin_users = {url.username}\nignore_startup_parameters = extra_float_digits\n"
        )
        command = [BINARY or "pgbouncer", str(self._config)]
        user = None
        if os.getuid() == 0:  # as which PgBouncer does not run: as the server's own user then
            user = os.stat(url.query["host"]).st_uid  # type: ignore[arg-type]
            for place in (directory, self._config, users):
                os.chown(place, user, -1)
            for place in directory.parents[:3]:
                place.chmod(place.stat().st_mode | 0o011)
        self.url = url_of(url.set(host="127.0.0.1", port=self.port, query={}))
        self._process = subprocess.Popen(
            command, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._wait()

    def _wait(self) -> None:
        for _ in range(100):
            try:
                psycopg2.connect(self._plain).close()
                return
            except psycopg2.OperationalError as error:
                last = error
                time.sleep(0.1)
        raise AssertionError(f"PgBouncer does not answer: {last}")

    def sessions(self) -> int:
        """Return how many sessions of the server it has."""
        connection = psycopg2.connect(url_of(make_url(self._plain).set(database="pgbouncer")))
        with closing(connection), connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute("SHOW SERVERS")
            return len(cursor.fetchall())

    def left(self) -> list[tuple[Any, ...]]:
        """Return what has outlived the transactions of each session of the server: it should be nothing.

        :return: a session's process, settings, temporary relations, advisory locks, channels that it listens to
        """
        seen = {}
        with ExitStack() as held:
            for _ in range(self.sessions()):
                cursor = held.enter_context(closing(psycopg2.connect(self._plain))).cursor()
                cursor.execute(LEFT)
                row = cursor.fetchone()
                seen[row[0]] = row
            assert len(seen) == self.sessions(), "a session was not looked at"
        return [row for row in seen.values() if any(row[1:])]

    @property
    def _plain(self) -> str:
        """The URL as libpq takes it."""
        return self.url.replace("+psycopg2", "")

    def stop(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)
