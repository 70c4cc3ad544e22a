"""What a revision does, which Alembic loads, runs and notes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from statscache.schema.migrations.tree import Tree
from statscache.store.revisions import SchemaRow, Stage

HOW = {
    Stage.EXPAND: "at once",
    Stage.FILL: "bit by bit, while daemons count",
    Stage.CONTRACT: "at once, when no daemon of an earlier version runs",
}

logging.getLogger("alembic").setLevel(logging.WARNING)  # what matters of it we say ourselves


@dataclass(frozen=True)
class Script:
    """One revision.

    :param id: as `statscache_schema` has it
    :param about: what is so once it is applied, in a sentence
    :param module: its file
    """

    id: str
    about: str
    module: ModuleType

    @property
    def stage(self) -> Stage:
        """What it does."""
        return Stage(self.id[0])

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that it changes."""
        return tuple(self.module.tables)

    @property
    def how(self) -> str:
        """How it is done."""
        return HOW[self.stage]

    def as_json(self) -> dict[str, object]:
        """Return what there is to tell of it."""
        return {"id": self.id, "about": self.about, "tables": self.tables, "how": self.how}

    @property
    def can_wait(self) -> bool:
        """Whether this program can count while it is not applied."""
        return bool(getattr(self.module, "can_wait", False))


class Scripts:
    """The revisions of a tree, loaded."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def script(self, revision: str) -> Script:
        """Return a revision by its id."""
        found: Any = self._directory.get_revision(revision)
        return Script(revision, found.doc, found.module)

    def apply(self, connection: Connection, revision: str) -> None:
        """Run a revision and note that, in the transaction of a connection."""

        def path(heads: Any, context: Any) -> Any:
            return self._directory._upgrade_revs(revision, heads)

        with EnvironmentContext(Config(), self._directory, fn=path) as environment:
            environment.configure(connection=connection, version_table=SchemaRow.__tablename__)
            environment.run_migrations()

    @cached_property
    def _directory(self) -> ScriptDirectory:
        return ScriptDirectory(Path(__file__).parent, version_locations=self._tree.places)
