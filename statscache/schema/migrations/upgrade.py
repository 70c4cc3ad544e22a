"""`statscache upgrade`: all that is left of the revisions, while daemons count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Engine, Table

from statscache.errors import StatscacheError
from statscache.schema.migrations.locking import LONG_PAUSES, Busy, alone
from statscache.schema.migrations.online import Online, Tell
from statscache.schema.migrations.scripts import Script, Scripts
from statscache.schema.migrations.start import begin, present
from statscache.schema.migrations.tree import TREE, Tree
from statscache.store.daemons import earlier_daemons
from statscache.store.revisions import BASELINE, Stage, applied, check_known

NO_TABLES = "there are no tables yet: a daemon makes them when it starts, in the form of its version"


class Upgrade:
    """What is left of the revisions, and doing it. It can be killed anywhere and begun again.

    :param tables: those of statscache itself
    :param tell: hears what is done, a line each
    """

    def __init__(self, engine: Engine, tables: Sequence[Table], tell: Tell, tree: Tree = TREE) -> None:
        self._engine = engine
        self._tables = tables
        self.tell = tell
        self._tree = tree
        self._scripts = Scripts(tree)

    def plan(self) -> list[Script]:
        """Return what is left, in the order in which it is done.

        :raises StatscacheError: if the database has no tables, or is newer than this program
        """
        with self._engine.connect() as connection:
            there = applied(connection) or [BASELINE]
            if not present(connection, self._tables):
                raise StatscacheError(NO_TABLES)
        check_known(there, self._tree.newest)
        if later := self._tree.later(there):
            raise StatscacheError(
                f"the tables are upgraded for a later version of statscache ({', '.join(later)}): "
                "run `statscache upgrade` of that version"
            )
        return [self._scripts.script(its) for its in self._tree.waiting(there)]

    def waiting_for(self) -> Iterator[str]:
        """Yield a sentence for each revision of the plan that daemons of an earlier version keep from being done."""
        for script in self.plan():
            if script.stage is Stage.CONTRACT:
                with self._engine.connect() as connection:
                    if its := self._earlier(connection, script):
                        yield its

    def run(self) -> None:
        """Do what can be done.

        :raises Busy: if others hold a table for minutes
        """
        plan = self.plan()
        begin(self._engine, self._tables, self._tree)
        for script in plan:
            self.tell(f"{script.id}: {script.about}")
            if script.stage is Stage.FILL:
                script.module.fill(Online(self._engine, self.tell))
            if not self._finish(script):
                return
            self.tell(f"{script.id}: done")

    def _finish(self, script: Script) -> bool:
        """Do what of a revision is done in one transaction and note it there, and return whether it did not wait."""
        may: list[bool] = []

        def work(connection: Connection) -> None:
            may[:] = [script.stage is not Stage.CONTRACT or self._earlier(connection, script) is None]
            if may[0] and script.id in self._tree.pending(applied(connection), script.stage):
                self._scripts.apply(connection, script.id)

        try:
            alone(self._engine, work, LONG_PAUSES)
        except Busy as error:
            tables = ", ".join(script.tables)
            raise Busy(
                f"{tables}: cannot be had for a moment ({error}); end what holds it, and run this again"
            ) from error
        return may[0]

    def _earlier(self, connection: Connection, script: Script) -> str | None:
        """Return why a revision that contracts has to wait, None if it has not."""
        number = int(script.id[1:])
        earlier = earlier_daemons(connection, number)
        if not earlier:
            return None
        named = ", ".join(map(str, earlier))
        return (
            f"{script.id} waits for {named}: stop it or start it in this version, and run this again when its spool "
            "has been taken over; if it is gone for good, delete its row from statscache_spool"
        )
