"""The accepted messages that are not yet committed, on local disk: what a killed daemon leaves to the next one.

A spool is a directory of segment files with one record after the other. A position is the number of bytes written
before it since the spool was made; it is how records are named. What is committed stays for a while, the spool's
*tail*, since a database can lose what it has committed.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from statscache.spool import layout
from statscache.spool.clearing import Clearing
from statscache.spool.loss import Loss, LossFile
from statscache.spool.reader import Reader
from statscache.spool.segment import Found, NotSpooled
from statscache.spool.segments import Segments
from statscache.spool.tail import Tail

log = logging.getLogger(__name__)


class Spool:
    """One daemon's spool. `append` and `lose` are called under the intake's lock, the rest on the flush's thread.

    :param directory: the spool's own directory, locked by this process
    :param limit: so many bytes at most are taken that are not yet committed
    :param tail: for so many seconds what is committed stays, if the limit allows it
    :param clock: gives seconds, and never goes back
    :raises OSError: if the directory cannot be read
    """

    def __init__(
        self,
        directory: Path,
        lock: int,
        limit: int,
        tail: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._lock = lock
        self._limit = limit
        self._tail = Tail(tail)
        self._clock = clock
        self._identity = directory.stat()
        self._segments = Segments(directory)
        self._reader = Reader(directory.name, self._segments, clock)
        self._clearing = Clearing(directory, self._segments, self._reader)
        self._placing = threading.Lock()
        self._released = 0
        #: The idents of the plugins that its messages are for.
        self.plugins = layout.read_plugins(directory)
        self._losses = LossFile(directory / layout.LOST)

    @property
    def id(self) -> str:
        """The spool's name, unlike that of any other."""
        return self._directory.name

    @property
    def stacks(self) -> Path:
        """The file for the stacks of all threads, which its daemon writes before it ends because of a hang."""
        return self._directory / layout.STACKS

    @property
    def made(self) -> float:
        """When the spool was made, in seconds since 1970, or last changed where nothing tells that any more."""
        return layout.made(self._directory) or self._identity.st_mtime

    @property
    def modified(self) -> float:
        """When a record was last appended, in seconds since 1970; 0 if there is none.

        :raises OSError: if that cannot be told
        """
        return self._segments.modified

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
        return self._segments.start

    @property
    def end(self) -> int:
        """Where the next record will begin."""
        return self._segments.end

    def append(self, record: bytes) -> int:
        """Write records, and return the position of the first; then the death of this process cannot lose them.

        :raises NotSpooled: if the spool's limit is reached, or it cannot be written to
        """
        position, after = self.end, self.end + len(record)
        if after - self._released > self._limit:
            raise NotSpooled(f"the spool has reached its limit of {self._limit} bytes")
        try:
            if after - self.start > self._limit:
                self._segments.drop(self._released, self._limit - len(record))
            self._append(record)
        except OSError as error:
            raise NotSpooled(f"the spool cannot be written to ({error.strerror})") from None
        return position

    def _append(self, record: bytes) -> None:
        """Write a record; where the disk is full, the tail makes room for it, and a directory that is gone is made."""
        try:
            self._segments.append_or_make_room(record, self._released)
        except FileNotFoundError:
            self.see_to_place()
            self._segments.append(record)

    def sync(self) -> None:
        """Bring what was written to the disk itself, so that it survives the loss of power, too."""
        try:
            self._segments.sync()
        except OSError as error:
            log.error("the spool %s could not be synced to disk: %s", self.id, error.strerror)

    def read(self, position: int) -> dict[str, Any]:
        """Return the body of the record that begins there.

        :raises SpoolUnreadable: if it cannot be read, or is not what was written
        """
        return self._reader.read(position)

    def scan(self, start: int, end: int) -> Iterator[tuple[int, Found]]:
        """Yield what lies from one position up to another, each with its position: a message's body, or damage.

        A torn last record, as the death of the writer leaves it, is left out.

        :raises SpoolUnreadable: if it cannot be read just now
        """
        return self._reader.scan(start, end)

    def release(self, position: int) -> None:
        """Note that all before that position is committed, and remove what of it was so for as long as the tail."""
        self._released = position
        if (aged := self._tail.commit(self._clock(), position)) is not None:
            self._segments.drop(aged)
        self._clearing.go_on(position)

    def forget(self, number: int) -> None:
        """Let nothing stay that was written until now and is committed: it may name people who are forgotten.

        :param number: that of the list of who is
        """
        self._clearing.begin(number, self._released)

    def is_free_of_names(self, number: int) -> bool:
        """Return whether all of it was written since those on the list of that number are forgotten."""
        return self._clearing.names >= number

    def take_back(self, position: int) -> None:
        """Note that all from that position on is not committed after all, nor the losses that were recorded with it.

        What of it is gone takes no room.
        """
        self._released = max(position, self.start)
        for loss in self._tail.take_back(position):
            self._losses.bring_back(loss)

    def see_to_place(self) -> None:
        """Make the spool anew if it is not on its path any more, as when somebody has removed its directory."""
        with self._placing:
            self._see_to_place()

    def _see_to_place(self) -> None:
        try:
            is_there = self._is_there()
            missing = [each for each in (self._losses, self._segments) if not each.is_in_place()]
            if is_there and not missing:
                return
            log.error("the spool %s is not on its path any more: it is made anew", self._directory)
            if not is_there:
                self._make_anew()
            for each in missing:
                each.put_back()
        except OSError as error:
            told = "the spool %s is not on its path and cannot be made anew (%s): a killed daemon loses what is in it"
            log.error(told, self._directory, error.strerror)

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(self._directory.stat(), self._identity)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _make_anew(self) -> None:
        lock = layout.lay_out(self._directory, self.plugins)
        os.close(self._lock)
        self._lock, self._identity = lock, self._directory.stat()

    def leave(self, names: int = 0) -> bool:
        """Let go of the spool, all of which is committed, and return whether nothing stays of it for its tail.

        :param names: the number of the list of who is forgotten; what was written before it does not stay
        """
        stays = self._tail and self.start < self.end and self.is_free_of_names(names)
        self.close() if stays else self.remove()
        return not stays

    def remove(self) -> None:
        """Remove the whole spool, which from the first moment on is none to whoever adopts spools."""
        unnamed = self._directory.with_name(f".{self.id}")
        try:
            self._directory.rename(unnamed)
            layout.remove(unnamed)
        except OSError as error:
            log.error("the spool %s cannot be removed: %s", self.id, error.strerror)
        self.close()

    def close(self) -> None:
        """Let go of the files, and of the lock."""
        self._segments.close()
        self._reader.close()
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1
        self._losses.close()

    @property
    def loss(self) -> Loss | None:
        """What was lost, and not yet recorded elsewhere."""
        return self._losses.present

    def lose(self, timestamp: float, reason: str) -> Loss:
        """Note that a message of that time was lost."""
        return self._losses.add(timestamp, reason)

    def forget_loss(self, recorded: Loss) -> None:
        """Take what has been recorded elsewhere off the loss."""
        self._losses.take_off(recorded)
        self._tail.record(self._clock(), self._released, recorded)
