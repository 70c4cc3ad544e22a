"""Who listens to statscache, as any program would."""

from __future__ import annotations

import json
from typing import Any

import psycopg2
from sqlalchemy.engine import make_url


class Listener:
    """A connection that listens to one channel."""

    def __init__(self, url: str, channel: str = "statscache") -> None:
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self.connection = psycopg2.connect(plain)
        self.connection.autocommit = True
        with self.connection.cursor() as cursor:
            cursor.execute(f"LISTEN {channel}")

    def payloads(self) -> list[str]:
        """Return what has come since the last call: with the answer to a statement comes all that is committed."""
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        found = [notify.payload for notify in self.connection.notifies]
        self.connection.notifies.clear()
        return found

    def heard(self) -> list[dict[str, Any]]:
        """Return the same, as objects."""
        return [json.loads(payload) for payload in self.payloads()]

    def close(self) -> None:
        """Listen no more."""
        self.connection.close()
