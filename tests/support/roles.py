"""Roles of the database."""

from __future__ import annotations

import uuid

from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from statscache.schema.objects import quoted


class Roles:
    """Roles of one test, which go with it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._names: list[str] = []

    def name(self, kind: str = "role") -> str:
        """Return a name that no role has."""
        self._names.append(f"{kind}_{uuid.uuid4().hex[:12]}")
        return self._names[-1]

    def make(self, kind: str, options: str = "LOGIN") -> str:
        """Make a role."""
        name = self.name(kind)
        self.execute(f"CREATE ROLE {quoted(name)} {options}")
        return name

    def execute(self, statement: str) -> None:
        """Run a statement as the administrator."""
        with self.engine.begin() as connection:
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})

    def url(self, name: str) -> str:
        """Return the database's URL for a role."""
        return make_url(self.engine.url).set(username=name).render_as_string(hide_password=False)

    def drop(self) -> None:
        """Drop them all, with what they have and may."""
        with self.engine.connect() as connection:
            there = set(connection.scalars(text("SELECT rolname FROM pg_roles")))
        for name in (quoted(name) for name in reversed(self._names) if name in there):
            self.execute(f"REASSIGN OWNED BY {name} TO CURRENT_USER; DROP OWNED BY {name}; DROP ROLE {name}")
