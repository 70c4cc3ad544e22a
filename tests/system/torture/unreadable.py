"""Lets the spools of this process be such that they cannot be read, whenever the suite says so."""

from __future__ import annotations

import builtins
import errno
import io
import os
from pathlib import Path
from typing import Any

#: While this file is there, reading a spool fails with the error whose number is in it.
UNREADABLE = "unreadable"


def fail_reading(flag: Path) -> None:
    """Let segments of spools be such that they cannot be opened and read while the suite says so."""
    open_file, open_fd, read = io.open, os.open, os.pread

    def fail(path: Any, reads: bool = True) -> None:
        if reads and str(path).endswith(".spool") and flag.exists():
            error = int(flag.read_text() or errno.EIO)
            raise OSError(error, os.strerror(error), str(path))

    def failing_open(path: Any, mode: str = "r", *rest: Any, **extra: Any) -> Any:
        fail(path, "r" in mode)
        return open_file(path, mode, *rest, **extra)

    def failing_open_fd(path: Any, flags: int, *rest: Any, **extra: Any) -> int:
        fail(path, not flags & (os.O_WRONLY | os.O_RDWR))
        return open_fd(path, flags, *rest, **extra)

    def failing_read(fd: int, *rest: Any) -> bytes:
        fail(os.readlink(f"/proc/self/fd/{fd}"))
        return read(fd, *rest)

    io.open = builtins.open = failing_open  # type: ignore[assignment]
    os.open, os.pread = failing_open_fd, failing_read  # type: ignore[assignment]
