"""What a start does of the revisions: it notes which form a database has, and applies what is quick and safe."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, Table, insert

from statscache.database.lock import counting
from statscache.errors import Unusable, number_of
from statscache.schema.migrations.locking import Busy, alone
from statscache.schema.migrations.tree import TREE, Tree
from statscache.schema.tables import create_missing, creating, taken_of
from statscache.store.revisions import BASELINE, SchemaRow, Stage, applied, check_known

if TYPE_CHECKING:
    from statscache.schema.migrations.scripts import Scripts

log = logging.getLogger(__name__)


def upgrade_at_start(engine: Engine, tables: Sequence[Table], tree: Tree = TREE) -> frozenset[str]:
    """Make the tables of statscache itself that are missing, and apply the revisions that are quick and safe.

    :param tables: those of statscache itself
    :return: those that have an earlier form still, with which this program can count
    :raises Unusable: if the database is newer than this program, or a table is held that it cannot do without
    :raises DBAPIError: if the database fails
    """
    begin(engine, tables, tree)
    with engine.connect() as connection:
        there = applied(connection)
    old = _expand(engine, tree, there)
    _tell(tree, there)
    return old


def begin(engine: Engine, tables: Sequence[Table], tree: Tree = TREE) -> None:
    """Make the tables that are missing, and note the form of a database of which that is not noted.

    :param tables: those of statscache itself
    :raises Unusable: if the database is newer than this program, or the tables cannot be made
    """
    with creating(), counting(engine, patient=True) as connection:
        there = applied(connection)
        check_known(there, tree.newest)
        is_new = not present(connection, tables)
        create_missing(connection, tables)
        if not there:
            rows = tree.heads if is_new else [BASELINE]
            connection.execute(insert(SchemaRow), [{"version_num": its} for its in rows])


def present(connection: Connection, tables: Sequence[Table]) -> list[str]:
    """Return which of the tables are there, but for that of the revisions."""
    names = [table.fullname for table in tables if table is not SchemaRow.__table__]
    return taken_of(connection, names)


def _expand(engine: Engine, tree: Tree, there: Collection[str]) -> frozenset[str]:
    """Apply the revisions that expand, and return the tables of those that had to be left for later."""
    pending = list(tree.pending(there, Stage.EXPAND))
    if not pending:
        return frozenset()
    from statscache.schema.migrations.scripts import Scripts  # only here: most starts need no Alembic

    scripts = Scripts(tree)
    for number, revision in enumerate(pending):
        try:
            apply_quick(engine, tree, scripts, revision)
        except Busy as error:
            return _left(scripts, pending[number:], error)
    return frozenset()


def apply_quick(engine: Engine, tree: Tree, scripts: Scripts, revision: str) -> None:
    """Apply a revision that is quick, unless another daemon has done so meanwhile, and log that.

    :raises Busy: if a table is held for too long
    """
    script = scripts.script(revision)  # loaded before anybody waits for us
    done: list[str] = []

    def work(connection: Connection) -> None:
        done[:] = []
        if revision in tree.pending(applied(connection), Stage(revision[0])):
            scripts.apply(connection, revision)
            done.append(revision)

    alone(engine, work)
    if done:
        log.info("the tables are upgraded: %s (%s)", script.about.rstrip("."), revision)


def _left(scripts: Scripts, pending: Sequence[str], error: Busy) -> frozenset[str]:
    """Return the tables of revisions that could not be applied.

    :raises Unusable: if this program cannot count without one of these
    """
    left = [scripts.script(revision) for revision in pending]
    for script in left:
        if not script.can_wait:
            raise Unusable(
                f"{', '.join(script.tables)}: cannot be upgraded by {script.id} ({error}): end what holds it, such as "
                "a pg_dump, and start again"
            )
    names = [name for script in left for name in script.tables]
    log.warning(
        "%s: not upgraded (%s), so the daemon counts with the old form; run `statscache upgrade`, then restart it",
        ", ".join(names),
        error,
    )
    return frozenset(names)


def _tell(tree: Tree, there: Collection[str]) -> None:
    """Log what waits for a command, and that the tables have been upgraded for a later version."""
    if later := tree.later(there):
        log.info(
            "the tables are upgraded for a later version of statscache (%s), which this one can count beside",
            ", ".join(later),
        )
        return
    left = [its for stage in (Stage.FILL, Stage.CONTRACT) for its in tree.pending(there, stage)]
    if left:
        log.warning(
            "%s for `statscache upgrade` (%s); until then the daemon counts with the old form, too",
            f"{number_of(len(left), 'upgrade')} of the tables {'waits' if len(left) == 1 else 'wait'}",
            ", ".join(left),
        )
