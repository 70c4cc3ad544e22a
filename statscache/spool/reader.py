"""Reading a spool: what cannot be read just now is not taken for nothing, and what is damaged is said."""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from statscache.process.descriptors import RESERVE
from statscache.spool.record import HEADER, decode
from statscache.spool.segment import Damage, Found, SpoolUnreadable, scan_segment
from statscache.spool.segments import Segments

log = logging.getLogger(__name__)

#: After so many seconds in which a segment could not be read for one of these reasons its messages are given up. For
#: any other, such as that there are no descriptors left, it is tried for ever.
GIVE_UP = {errno.ENOENT: 10.0, errno.EIO: 600.0, errno.ESTALE: 600.0, errno.EISDIR: 0.0}

#: Why messages are missing that lay before the beginning of a spool.
GONE = "the spool does not reach back to what the database has"


class Reader:
    """Reads the segments of a spool. For the flush's thread alone.

    :param end: up to which position records were written whole; after it, the last may be torn
    :param clock: gives seconds, and never goes back
    """

    def __init__(self, name: str, segments: Segments, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._segments = segments
        self._clock = clock
        self._found = segments.end
        self._open: tuple[int, int] = (-1, -1)
        #: Where each segment could not be read on, as the position of the last record before it, and since when.
        self._failing: dict[int, tuple[int, float]] = {}

    def read(self, position: int) -> dict[str, Any]:
        """Return the body of the record that begins there.

        :raises SpoolUnreadable: if it cannot be read, or is not what was written
        """
        try:
            file, offset = self._file_of(position)
            size, checksum = HEADER.unpack(_whole(os.pread(file, HEADER.size, offset), HEADER.size))
            length = min(size, os.fstat(file).st_size)
            return decode(_whole(os.pread(file, length, offset + HEADER.size), size), checksum)
        except OSError as error:
            raise SpoolUnreadable(f"the spool {self._name} cannot be read ({error.strerror})") from None
        except ValueError as error:
            raise SpoolUnreadable(f"the spool {self._name} cannot be read at {position}: {error}") from None

    def scan(self, start: int, end: int) -> Iterator[tuple[int, Found]]:
        """Yield what lies from one position up to another, each with its position.

        A torn last record, as the death of the writer leaves it, is left out.

        :raises SpoolUnreadable: if it cannot be read just now
        """
        starts, first = self._segments.starts, self._segments.start
        if start < min(first, end):
            yield start, Damage(start, min(first, end), GONE)
        for begin, stop in zip(starts, [*starts[1:], end], strict=False):  # there may be none
            if stop > start and begin < end:
                yield from self._scan(begin, max(start, begin), min(stop, end))

    def _scan(self, begin: int, start: int, end: int) -> Iterator[tuple[int, Found]]:
        may_be_torn = end == self._found
        position, last = start, -1
        try:
            for position, found in scan_segment(self._segments.path(begin), begin, start, end, may_be_torn):
                last = position
                self._got_past(begin, position)
                yield position, found
        except OSError as error:
            if not self._is_given_up(begin, last, error):
                raise SpoolUnreadable(
                    f"the spool {self._name} cannot be read ({error.strerror}); all of it is kept"
                ) from None
            log.error("gave up %s, which cannot be read: %s", self._segments.path(begin), error.strerror)
            yield position, Damage(position, end)
        else:
            self._failing.pop(begin, None)

    def _got_past(self, begin: int, position: int) -> None:
        """Note that a record can be read, so that a failure before it is over, though the scan may be cut here."""
        if begin in self._failing and position > self._failing[begin][0]:
            del self._failing[begin]

    def _is_given_up(self, begin: int, last: int, error: OSError) -> bool:
        """Return whether a segment has been unreadable after a record for so long that it will stay so."""
        _, since = self._failing.setdefault(begin, (last, self._clock()))
        return self._clock() - since >= GIVE_UP.get(error.errno or 0, float("inf"))

    def _file_of(self, position: int) -> tuple[int, int]:
        """Return an open file and the position's offset in it."""
        begin = self._segments.begin_of(position)
        if begin is None:
            raise ValueError("there is no such record")
        if self._open[0] != begin:
            self.close()
            self._open = (begin, RESERVE.open(self._segments.path(begin), os.O_RDONLY))
        return self._open[1], position - begin

    def close(self) -> None:
        """Let go of the file that is open."""
        if self._open[1] >= 0:
            os.close(self._open[1])
        self._open = (-1, -1)


def _whole(data: bytes, size: int) -> bytes:
    if len(data) < size:
        raise ValueError("the record is damaged")
    return data
