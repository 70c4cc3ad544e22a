"""The directory of spools: making one, and adopting those of dead daemons."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from statscache.errors import Unusable
from statscache.spool.loss import LOSS
from statscache.spool.spool import Spool

log = logging.getLogger(__name__)


def make_spool(directory: Path, plugins: Iterable[str], limit: int) -> Spool:
    """Make a new spool in a directory of spools, for messages that these plugins are to count.

    :raises Unusable: if that cannot be done
    """
    name = str(uuid.uuid4())
    unnamed = directory / f".{name}"
    try:
        unnamed.mkdir(mode=0o700, parents=True)
        (unnamed / "plugins.json").write_text(json.dumps(sorted(plugins)), encoding="utf-8")
        (unnamed / "loss").write_bytes(bytes(LOSS.size))
        lock = _lock(unnamed)
        assert lock is not None  # nobody else knows of it yet
        unnamed.rename(directory / name)
    except OSError as error:
        raise Unusable(
            f"statscache.spool.directory: no spool can be made in {directory} ({error.strerror}): "
            "let the daemon's user write there, or set another directory"
        ) from None
    return Spool(directory / name, lock, limit)


def adopt_spools(directory: Path) -> Iterator[Spool]:
    """Lock and yield the spools in the directory whose daemons are dead, oldest first."""
    for path in sorted(directory.glob("[!.]*/plugins.json"), key=_age):
        lock = _lock(path.parent)
        if lock is None:
            continue
        try:
            spool = Spool(path.parent, lock, 0)
        except OSError as error:
            log.error("the spool %s cannot be adopted: %s", path.parent, error.strerror)
            os.close(lock)
        else:
            yield spool


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _lock(directory: Path) -> int | None:
    """Lock the directory for as long as this process lives; None if another process has."""
    try:
        fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        return None  # whoever had it has just removed it
    except OSError as error:
        log.error("the spool %s cannot be locked: %s", directory, error.strerror)
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    if not (directory / "plugins.json").exists():
        os.close(fd)
        return None
    return fd
