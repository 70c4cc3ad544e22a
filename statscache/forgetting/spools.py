"""The spools of this machine, which name whoever the messages in them do.

A daemon clears its own; what dead daemons have left is cleared here, if all of it is counted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine, select

from statscache.spool import layout
from statscache.spool.directory import adopt_spools
from statscache.store.forgotten import NUMBER
from statscache.store.positions import DatabaseRow, SpoolRow, forget_spools, positions

#: How often it is looked whether daemons have cleared theirs, in seconds.
LOOK_S = 0.2


@dataclass
class Spools:
    """What is still in spools.

    :param removed: those of dead daemons that are gone now
    :param uncounted: those of dead daemons with messages that the next daemon counts first
    :param waiting: those of daemons that have not cleared them yet
    :param elsewhere: those that are not on this machine, or in another directory
    """

    removed: list[str] = field(default_factory=list)
    uncounted: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


def clear_spools(
    engine: Engine, root: Path, patience: float, clock: Callable[[], float] = time.monotonic
) -> Spools:
    """Wait until the spools of this machine are cleared of who is forgotten, and return what is left.

    :param root: the directory of spools, of any database
    :param patience: for so many seconds at most
    """
    with engine.connect() as connection:
        database, number = connection.scalar(select(DatabaseRow.id)), connection.scalar(NUMBER) or 0
    directory = root.absolute() / str(database)
    found = Spools()
    _clear_dead(engine, directory, number, found)
    deadline = clock() + patience
    while True:
        names = _named(directory, number)
        found.waiting = sorted(names - set(found.uncounted))
        if not found.waiting or clock() >= deadline:
            break
        time.sleep(LOOK_S)
    with engine.connect() as connection:
        known = set(connection.scalars(select(SpoolRow.id)))
    found.elsewhere = sorted(name for name in known if not (directory / name).exists())
    return found


def _clear_dead(engine: Engine, directory: Path, number: int, found: Spools) -> None:
    for spool in adopt_spools(directory):
        position = positions(engine, [spool.id]).get(spool.id)
        if spool.is_free_of_names(number):
            spool.close()
        elif spool.loss or spool.end > (position.position if position else 0):
            spool.close()
            found.uncounted.append(spool.id)
        else:
            spool.remove()
            forget_spools(engine, [spool.id])
            found.removed.append(spool.id)


def _named(directory: Path, number: int) -> set[str]:
    """Return the spools that may still name somebody."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return set()
    return {
        name for name in names if not name.startswith(".") and layout.read_names(directory / name) < number
    }
