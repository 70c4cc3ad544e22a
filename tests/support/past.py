"""A database that goes back to what it was, as in a failover that loses commits or a restore."""

from __future__ import annotations

import uuid

from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url


class Past:
    """What a database was at one time.

    :param server: an engine for making databases on its server
    :param url: the URL of the database
    """

    def __init__(self, server: Engine, url: str) -> None:
        self._server = server
        self._name = make_url(url).database
        self._copy = f"past_{uuid.uuid4().hex}"
        self._copied(self._name, self._copy)

    def come_back(self) -> None:
        """Make the database what it was, breaking all its connections."""
        with self._server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {self._name} WITH (FORCE)"))
        self._copied(self._copy, self._name)

    def forget(self) -> None:
        """Drop the copy."""
        with self._server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {self._copy} WITH (FORCE)"))

    def _copied(self, source: str | None, target: str | None) -> None:
        with self._server.connect() as connection:
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
                {"name": source},
            )
            connection.execute(text(f"CREATE DATABASE {target} TEMPLATE {source}"))
