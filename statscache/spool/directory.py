"""The directory of spools: making one, and adopting those of dead daemons."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from statscache.errors import Unusable
from statscache.spool import layout
from statscache.spool.ownership import is_own, own_levels
from statscache.spool.spool import Spool

log = logging.getLogger(__name__)

#: A directory that was changed so many seconds ago may be one that somebody is just making.
FRESH = 2.0


def make_spool(directory: Path, plugins: Iterable[str], limit: int, tail: float = 0.0) -> Spool:
    """Make a new spool in a directory of spools, for messages that these plugins are to count.

    :param tail: for so many seconds what is committed stays
    :raises Unusable: if that cannot be done
    """
    name = str(uuid.uuid4())
    unnamed = directory / f".{name}"
    try:
        own_levels(directory)
        lock = layout.lay_out(unnamed, plugins)
        unnamed.rename(directory / name)
        return Spool(directory / name, lock, limit, tail)
    except OSError as error:
        raise Unusable(
            f"statscache.spool.directory: no spool can be made in {directory} ({error.strerror}): "
            "let the daemon's user write there, or set another directory"
        ) from None


def adopt_spools(directory: Path, tail: float = 0.0) -> Iterator[Spool]:
    """Lock and yield the spools in the directory whose daemons are dead, oldest first.

    What is left of spools that somebody was removing when he died is removed.

    :param tail: for so many seconds what is committed stays
    """
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return
    except OSError as error:
        log.error("the spools in %s cannot be looked at: %s", directory, error.strerror)
        return
    paths = [directory / name for name in names]
    for path in paths:
        if path.name.startswith("."):
            _sweep(path)
    for path in sorted((path for path in paths if not path.name.startswith(".")), key=_age):
        if spool := _adopt(path, tail):
            yield spool


def _adopt(path: Path, tail: float) -> Spool | None:
    """Return the spool in a directory, None if its daemon lives or it cannot be had just now."""
    try:
        lock = layout.lock(path) if is_own(path) and layout.is_spool(path) else None
        if lock is None:
            return None
        try:
            return Spool(path, lock, 0, tail)
        except OSError:
            os.close(lock)
            raise
    except (FileNotFoundError, NotADirectoryError):
        return None  # whoever had it has just removed it
    except OSError as error:
        log.error("the spool %s cannot be adopted: %s", path, error.strerror)
        return None


def _sweep(path: Path) -> None:
    """Remove what is left of a spool that its daemon did not come to remove, or to make, whole."""
    try:
        if time.time() - path.stat().st_mtime < FRESH:
            return  # somebody may be making it
        if is_own(path) and (lock := layout.lock(path)) is not None:
            try:
                layout.remove(path)
            finally:
                os.close(lock)
    except OSError as error:
        log.debug("%s cannot be removed: %s", path, error.strerror)


def _age(path: Path) -> float:
    try:
        return (path / layout.PLUGINS).stat().st_mtime
    except OSError:
        return 0.0
