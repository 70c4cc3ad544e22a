"""Databases of the tests' server."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text

#: PostgreSQL's own template, in which nobody has changed anything.
EMPTY = "template0"
#: Ends what is connected to a database, and counts it.
ENDED = text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE datname = :name AND backend_type = 'client backend'"
)


@contextmanager
def new_database(server: Engine, template: str = EMPTY) -> Iterator[str]:
    """Give the URL of a database, which goes again afterwards.

    :param template: the name of that which it is a copy of
    """
    name = f"test_{uuid.uuid4().hex}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE {template}"))
    yield server.url.set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        for _ in range(20):  # else the server waits a tenth of a second for a connection that is just ending
            if not connection.scalar(ENDED, {"name": name}):
                break
            time.sleep(0.005)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def hurry(server: Engine) -> None:
    """Leave out what only fends off the loss of power, which no test can cut: each database costs a checkpoint."""
    with server.connect() as connection:
        for name in ("fsync", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {name} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
