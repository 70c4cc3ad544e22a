"""The accepted messages that are not yet committed, on local disk: what a killed daemon leaves to the next one.

A spool is a directory of segment files with one record after the other. A position is the number of bytes written
before it since the spool was made; it is how records are named.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from statscache.errors import StatscacheError
from statscache.spool.loss import Loss, LossFile
from statscache.spool.record import HEADER, decode
from statscache.spool.segment import scan_segment

log = logging.getLogger(__name__)

#: A segment that has grown to so many bytes is followed by a new one.
SEGMENT = 8 << 20


class SpoolFull(StatscacheError):
    """A message that found no room; the text says why."""


class Spool:
    """One daemon's spool. `append` and `lose` are called under the intake's lock, the rest on the flush's thread.

    :param directory: the spool's own directory, locked by this process
    :param limit: so many bytes at most are taken that are not yet committed
    """

    def __init__(self, directory: Path, lock: int, limit: int) -> None:
        self._directory = directory
        self._lock = lock
        self._limit = limit
        self._starts = sorted(int(path.stem) for path in directory.glob("*.spool") if path.stem.isdecimal())
        self._writing = -1
        self._reading: tuple[int, int] = (-1, -1)
        self._released = 0
        #: The idents of the plugins that its messages are for.
        self.plugins = _read_plugins(directory / "plugins.json")
        #: Where the next record will begin.
        self.end = self._starts[-1] + self._size(self._starts[-1]) if self._starts else 0
        self._losses = LossFile(directory / "loss")

    @property
    def id(self) -> str:
        """The spool's name, unlike that of any other."""
        return self._directory.name

    @property
    def stacks(self) -> Path:
        """The file for the stacks of all threads, which its daemon writes before it ends because of a hang."""
        return self._directory / "stacks"

    @property
    def modified(self) -> float:
        """When a record was last appended, in seconds since 1970; 0 if there is none."""
        return max((self._path(start).stat().st_mtime for start in self._starts), default=0.0)

    @property
    def held(self) -> int:
        """How many bytes are in it that are not committed."""
        return self.end - self._released

    @property
    def limit(self) -> int:
        """How many bytes of that it takes at most."""
        return self._limit

    @property
    def start(self) -> int:
        """The position of the oldest record that is still there."""
        return self._starts[0] if self._starts else self.end

    def append(self, record: bytes) -> int:
        """Write a record, or several, and return the position of the first. Once this returns, the death of this
        process cannot lose them.

        :raises SpoolFull: if the spool's limit is reached or the disk has no room
        """
        position = self.end
        if position + len(record) - self._released > self._limit:
            raise SpoolFull(f"the spool has reached its limit of {self._limit} bytes")
        try:
            if self._writing < 0 or position - self._starts[-1] >= SEGMENT:
                self._begin_segment()
            self._write(record)
        except OSError as error:
            raise SpoolFull(f"the spool cannot be written to ({error.strerror})") from None
        self.end = position + len(record)
        return position

    def _begin_segment(self) -> None:
        fd = os.open(self._path(self.end), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
        if self._writing >= 0:
            os.close(self._writing)
        self._writing = fd
        if self.end not in self._starts:
            self._starts.append(self.end)

    def _write(self, record: bytes) -> None:
        try:
            written = os.write(self._writing, record)
            while written < len(record):  # the disk is nearly full: the next write says so
                written += os.write(self._writing, record[written:])
        except OSError:
            self._undo()
            raise

    def _undo(self) -> None:
        """Cut off what was written of the last records, or else leave this segment as it is for a new one."""
        try:
            os.ftruncate(self._writing, self.end - self._starts[-1])
        except OSError:
            os.close(self._writing)
            self._writing = -1

    def sync(self) -> None:
        """Bring what was written to the disk itself, so that it survives the loss of power, too."""
        if self._writing < 0:
            return
        try:
            os.fsync(self._writing)
        except OSError as error:
            log.error("the spool %s could not be synced to disk: %s", self.id, error.strerror)

    def read(self, position: int) -> dict[str, Any]:
        """Return the body of the record that begins there.

        :raises ValueError: if there is none
        """
        file, offset = self._open(position)
        header = os.pread(file, HEADER.size, offset)
        if len(header) < HEADER.size:
            raise ValueError("the record is damaged")
        size, checksum = HEADER.unpack(header)
        return decode(os.pread(file, min(size, os.fstat(file).st_size), offset + HEADER.size), checksum)

    def scan(self, start: int, end: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the records from one position up to another, each as its position and body.

        A torn last record, as the death of the writer leaves it, is left out; a damaged one costs the rest of
        its segment, which is logged.
        """
        starts = list(self._starts)
        for begin, stop in zip(starts, [*starts[1:], end], strict=False):  # there may be none
            if stop > start and begin < end:
                yield from scan_segment(
                    self._path(begin), begin, max(start, begin), min(stop, end), begin == starts[-1]
                )

    def release(self, position: int) -> None:
        """Remove the segments that hold nothing from that position on: all before it is committed."""
        self._released = position
        while len(self._starts) > 1 and self._starts[1] <= position:
            self._path(self._starts.pop(0)).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the whole spool, which from the first moment on is none to whoever adopts spools."""
        unnamed = self._directory.with_name(f".{self.id}")
        try:
            self._directory.rename(unnamed)
        except OSError as error:
            log.error("the spool %s cannot be removed: %s", self.id, error.strerror)
        shutil.rmtree(unnamed, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Let go of the files, and of the lock."""
        for fd in (self._writing, self._reading[1], self._lock):
            if fd >= 0:
                os.close(fd)
        self._writing, self._reading, self._lock = -1, (-1, -1), -1
        self._losses.close()

    @property
    def loss(self) -> Loss | None:
        """What was lost, and not yet recorded elsewhere."""
        return self._losses.present

    def lose(self, timestamp: float) -> Loss:
        """Note that a message of that time was lost."""
        return self._losses.add(timestamp)

    def forget_loss(self, recorded: Loss) -> None:
        """Take what has been recorded elsewhere off the loss."""
        self._losses.take_off(recorded)

    def _path(self, start: int) -> Path:
        return self._directory / f"{start:020}.spool"

    def _size(self, start: int) -> int:
        return self._path(start).stat().st_size

    def _open(self, position: int) -> tuple[int, int]:
        """Return an open file and the position's offset in it."""
        index = bisect_right(self._starts, position) - 1
        if index < 0:
            raise ValueError("there is no such record")
        start = self._starts[index]
        if self._reading[0] != start:
            if self._reading[1] >= 0:
                os.close(self._reading[1])
            self._reading = (start, os.open(self._path(start), os.O_RDONLY))
        return self._reading[1], position - start


def _read_plugins(path: Path) -> frozenset[str]:
    try:
        return frozenset(json.loads(path.read_text(encoding="utf-8")))
    except ValueError:
        log.error("%s is damaged: only the plugins that run now will count the spool's messages", path)
        return frozenset()
