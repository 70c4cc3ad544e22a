"""Whose a directory of spools is: what anybody else could have written is neither used nor read.

Records are read by `marshal`, which must only ever get what this user has written.
"""

from __future__ import annotations

import logging
import os
import pwd
import stat
from pathlib import Path

from statscache.errors import Unusable
from statscache.reasons import ReasonCounter

log = logging.getLogger(__name__)

SETTING = "statscache.spool.directory"
#: What others must not have of a directory: the right to put something into it.
WRITABLE = stat.S_IWGRP | stat.S_IWOTH
PRIVATE = 0o700

_refused = ReasonCounter()


def own_levels(directory: Path) -> None:
    """Make a directory of spools and all that lacks above it, so that nobody else may look in or write.

    One that is there already must be this user's, and is closed to others. The setting's own directory, above it, may
    be anybody's, but must not be open to all.

    :raises OSError: if that cannot be done
    :raises Unusable: if it is somebody else's, or others may write where it lies
    """
    for level in reversed(directory.parents):
        if not level.exists():
            _make(level)
    _check_root(directory.parent)
    _make(directory)
    found = directory.lstat()
    if reason := _fault(found):
        raise Unusable(f"{SETTING}: {directory} {reason}: move it away, or set another directory")
    if stat.S_IMODE(found.st_mode) != PRIVATE:
        directory.chmod(PRIVATE)


def is_own(spool: Path) -> bool:
    """Return whether a spool, and all that lies in it, can only have been written by this user; if not, that is logged.

    :raises OSError: if that cannot be told
    """
    entries = [spool, *spool.iterdir()] if stat.S_ISDIR(spool.lstat().st_mode) else [spool]
    for path in entries:
        reason = _fault(found := path.lstat(), file=path != spool)
        if not reason and path == spool and found.st_mode & WRITABLE:
            reason = "may be written to by others"
        if reason:
            if _refused.add(str(path)):
                log.error("the spool %s is left alone: %s %s", spool, path, reason)
            return False
    return True


def _check_root(root: Path) -> None:
    """Check that nobody can put something else in the place of what lies in the setting's own directory."""
    found = root.stat()
    if found.st_mode & WRITABLE and not found.st_mode & stat.S_ISVTX:
        if found.st_uid != os.geteuid():
            raise Unusable(
                f"{SETTING}: others than this user may write to {root}, which belongs to {_name(found.st_uid)}: "
                "take that right from them (chmod go-w), or set another directory"
            )
        root.chmod(stat.S_IMODE(found.st_mode) & ~WRITABLE)


def _make(directory: Path) -> None:
    try:
        directory.mkdir(mode=PRIVATE)
    except FileExistsError:
        return  # another daemon may have made it just now


def _fault(found: os.stat_result, file: bool = False) -> str:
    """Return what is wrong with a directory, or with something in one; empty if nothing is."""
    if found.st_uid not in (os.geteuid(), 0):
        return f"belongs to {_name(found.st_uid)}, and this process is {_name(os.geteuid())}"
    if stat.S_ISLNK(found.st_mode) or not (file or stat.S_ISDIR(found.st_mode)):
        return "is no directory" if not file else "is a link"
    return ""


def _name(uid: int) -> str:
    try:
        return f"the user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"the user with the number {uid}"
