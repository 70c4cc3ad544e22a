"""What a spool's directory holds beside its segments: a lock, the plugins that its messages are for, what was lost."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from statscache.process.descriptors import RESERVE
from statscache.spool.loss import LOSS
from statscache.spool.segments import SUFFIX

log = logging.getLogger(__name__)

LOCK = "lock"
PLUGINS = "plugins.json"
LOST = "loss"
STACKS = "stacks"
NAMES = "names"


def lay_out(directory: Path, plugins: Iterable[str]) -> int:
    """Make a directory for a spool, lock it for as long as this process lives, and return the lock.

    :raises OSError: if that cannot be done
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = lock(directory)
    if fd is None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    try:
        (directory / PLUGINS).write_text(json.dumps(sorted(plugins)), encoding="utf-8")
        (directory / LOST).write_bytes(bytes(LOSS.size))
    except OSError:
        os.close(fd)
        raise
    return fd


def made(directory: Path) -> float | None:
    """Return when a spool was laid out, in seconds since 1970; None where nothing tells that any more."""
    try:
        return (directory / PLUGINS).stat().st_mtime
    except FileNotFoundError:
        return None


def lock(directory: Path) -> int | None:
    """Lock a directory for as long as this process lives; None if another process has.

    :raises OSError: if it is not there any more, or that cannot be told
    """
    fd = RESERVE.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    except OSError:
        os.close(fd)
        raise
    return fd


def is_spool(directory: Path) -> bool:
    """Return whether a directory is that of a spool.

    :raises OSError: if that cannot be told
    """
    return any(name == PLUGINS or name.endswith(SUFFIX) for name in os.listdir(directory))


def read_plugins(directory: Path) -> frozenset[str]:
    """Return the idents of the plugins that the messages of a spool are for.

    :raises OSError: if the file cannot be read
    """
    path = directory / PLUGINS
    try:
        return frozenset(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, FileNotFoundError):
        log.error(
            "%s is damaged or gone: only the plugins that run now will count the spool's messages", path
        )
        return frozenset()


def read_names(directory: Path) -> int:
    """Return the number of the list of who is forgotten before which nothing in a spool was written; 0 if unknown."""
    try:
        return int((directory / NAMES).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def write_names(directory: Path, number: int) -> None:
    """Note that number.

    :raises OSError: if that cannot be done
    """
    unnamed = directory / f"{NAMES}.part"
    unnamed.write_text(str(number), encoding="ascii")
    unnamed.rename(directory / NAMES)


def remove(directory: Path) -> None:
    """Remove a directory and what is in it, its lock last, so that whoever finds a part of it can tell.

    :raises OSError: if some of it stays
    """
    for name in os.listdir(directory):
        if name != LOCK:
            _remove(directory / name)
    (directory / LOCK).unlink(missing_ok=True)
    directory.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)  # nobody knows why it is there
    else:
        path.unlink()
