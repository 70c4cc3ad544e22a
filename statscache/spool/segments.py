"""The segment files of a spool: writing to the last, and dropping the first."""

from __future__ import annotations

import errno
import logging
import os
import threading
from bisect import bisect_right
from pathlib import Path

from statscache.process.descriptors import RESERVE, is_on_path

log = logging.getLogger(__name__)

#: A segment that has grown to so many bytes is followed by a new one.
SEGMENT = 1 << 20
SUFFIX = ".spool"
#: How the system says that a disk has no room.
FULL = (errno.ENOSPC, errno.EDQUOT)


class Segments:
    """The segment files of one spool. One thread appends, another one reads and drops.

    :param directory: the spool's own
    :raises OSError: if it cannot be read
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        names = [name.removesuffix(SUFFIX) for name in os.listdir(directory) if name.endswith(SUFFIX)]
        self._starts = sorted(int(name) for name in names if name.isdecimal())
        self._fd = -1
        self._changing = threading.Lock()
        last = self._starts[-1] if self._starts else 0
        #: The position at which the next record will begin.
        self.end = last + (self.path(last).stat().st_size if self._starts else 0)

    @property
    def starts(self) -> list[int]:
        """The positions at which the segments begin."""
        return list(self._starts)

    @property
    def start(self) -> int:
        """The position of the oldest record that is still there."""
        return self._starts[0] if self._starts else self.end

    @property
    def modified(self) -> float:
        """When a record was last appended, in seconds since 1970; 0 if there is none."""
        return max((self.path(start).stat().st_mtime for start in self._starts), default=0.0)

    def path(self, start: int) -> Path:
        """Return the file of the segment that begins at that position."""
        return self._directory / f"{start:020}{SUFFIX}"

    def begin_of(self, position: int) -> int | None:
        """Return where the segment begins in which a position lies; None if there is none any more."""
        index = bisect_right(self._starts, position) - 1
        return self._starts[index] if index >= 0 else None

    def append(self, data: bytes) -> None:
        """Write records after the last one.

        :raises OSError: if they cannot be written; then nothing of them is
        """
        with self._changing:
            if self._fd < 0 or self.end - self._starts[-1] >= SEGMENT:
                self._begin()
            self._write(data)
            self.end += len(data)

    def append_or_make_room(self, data: bytes, position: int) -> None:
        """Write records; where the disk is full, what holds nothing from a position on makes room.

        :raises OSError: as `append` does
        """
        try:
            self.append(data)
        except OSError as error:
            if error.errno not in FULL or not self.drop(position):
                raise
            self.append(data)

    def _begin(self) -> None:
        fd = RESERVE.open(self.path(self.end), os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
        self.close()
        self._fd = fd
        if self.end not in self._starts:
            self._starts.append(self.end)

    def _write(self, data: bytes) -> None:
        try:
            _write_all(self._fd, data)
        except OSError:
            self._undo()
            raise

    def _undo(self) -> None:
        """Cut off what was written of the last records, or else leave this segment as it is for a new one."""
        try:
            os.ftruncate(self._fd, self.end - self._starts[-1])
        except OSError:
            self.close()

    def begin_anew(self) -> int:
        """Let the next record begin a new segment, and return where that will begin."""
        with self._changing:
            self.close()
            return self.end

    def sync(self) -> None:
        """Bring what was written to the segment that is being written to the disk itself.

        :raises OSError: if that fails
        """
        if self._fd >= 0:
            os.fsync(self._fd)

    def drop(self, position: int, bytes_kept: int = 0) -> bool:
        """Remove segments that hold nothing from a position on, the oldest first, and return whether there were any.

        One that cannot be removed stays, as nothing depends on that it goes.

        :param bytes_kept: no more are removed once all together are so short
        """
        dropped = False
        with self._changing:
            while self._starts and self._end_of_first() <= position and self.end - self.start > bytes_kept:
                if not self._drop_first():
                    break
                dropped = True
        return dropped

    def _end_of_first(self) -> int:
        return self._starts[1] if len(self._starts) > 1 else self.end

    def _drop_first(self) -> bool:
        path = self.path(self._starts[0])
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.error("%s, which is committed, cannot be removed: %s", path, error.strerror)
            return False
        if len(self._starts) == 1:
            self.close()
        self._starts.pop(0)
        return True

    def is_in_place(self) -> bool:
        """Return whether the segment that is being written is on its path."""
        with self._changing:
            return self._fd < 0 or is_on_path(self._fd, self.path(self._starts[-1]))

    def put_back(self) -> None:
        """Write the segment that is being written to its path anew, as its file is not there any more.

        :raises OSError: if that fails
        """
        with self._changing:
            if self._fd < 0:
                return
            start, length = self._starts[-1], self.end - self._starts[-1]
            unnamed = self.path(start).with_suffix(".part")  # half of it would be taken for all
            fd = RESERVE.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
            try:
                _write_all(fd, os.pread(self._fd, length, 0))
                unnamed.rename(self.path(start))
            except OSError:
                os.close(fd)
                raise
            self.close()
            self._fd = fd

    def close(self) -> None:
        """Let go of the file that is being written."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


def _write_all(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    while written < len(data):  # the disk is nearly full: the next write says so
        written += os.write(fd, data[written:])
