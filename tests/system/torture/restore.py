"""Restores of an older dump under running daemons."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from tests.system.torture.stage import Stage

RESTORE = "restores"
#: How many seconds after the dump it is restored, and for how long all is quiet afterwards.
OLDER, QUIET = (1.0, 8.0), (0.5, 5.0)
#: It is tried so often: a daemon's transaction and the restore can be in each other's way.
TRIES = 5
#: In a deadlock it is the daemon that gives way.
OPTIONS = "-c deadlock_timeout=60s"
TABLES = (
    "SELECT string_agg(format('%I', relname), ', ') FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
    "WHERE nspname = 'public' AND relkind IN ('r', 'p') AND NOT relispartition"
)


def restore_whole(stage: Stage, chance: random.Random) -> str:
    """Restore a dump in one transaction."""
    return _restore(stage, chance, lambda dump: _load(stage, dump, "--single-transaction", "--clean"))


def restore_each(stage: Stage, chance: random.Random) -> str:
    """Restore a dump table by table, each of which is dropped before."""
    return _restore(stage, chance, lambda dump: _load(stage, dump, "--clean", "--if-exists"))


def restore_data(stage: Stage, chance: random.Random) -> str:
    """Empty all tables, and load what a dump has of them, table by table."""

    def load(dump: Path) -> bool:
        with stage.admin.begin() as connection:
            connection.execute(text("SET LOCAL deadlock_timeout = '60s'"))
            connection.execute(text(f"TRUNCATE {connection.scalar(text(TABLES))}"))
        return _load(stage, dump, "--data-only", "--disable-triggers")

    return _restore(stage, chance, load)


def _restore(stage: Stage, chance: random.Random, load: Callable[[Path], bool]) -> str:
    """Dump the database, and restore it some seconds later, until nothing goes wrong with that."""
    dump = stage.ways.dump()
    time.sleep(chance.uniform(*OLDER))
    if not any(load(dump) for _ in range(TRIES)):
        raise AssertionError("the dump cannot be restored")
    time.sleep(chance.uniform(*QUIET))
    return RESTORE


def _load(stage: Stage, dump: Path, *how: str) -> bool:
    """Load the dump, and return whether nothing went wrong."""
    try:
        stage.server.tool("pg_restore", "--dbname", stage.ways.database, *how, str(dump), PGOPTIONS=OPTIONS)
    except subprocess.CalledProcessError as error:
        stage.log(f"pg_restore: {error.stderr[-500:]}")
        return False
    return True
