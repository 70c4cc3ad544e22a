"""What was lost since it could not be spooled."""

from __future__ import annotations

import logging
import os
import struct
import threading
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from statscache.process.descriptors import RESERVE, is_on_path
from statscache.span import Span

log = logging.getLogger(__name__)

#: Holds what was lost; of a fixed size from the start, so that it can be written when the disk is full.
LOSS = struct.Struct("<QddQ200s")
#: The same as versions wrote it that knew of no reason.
UNREASONED = struct.Struct("<QddQ")


@dataclass(frozen=True)
class Loss:
    """Messages that were lost.

    :param count: how many, at least
    :param first: the smallest of their timestamps, in seconds since 1970
    :param last: the greatest
    :param before: how many of the same spool had been recorded before
    :param reason: why they were lost, or the several reasons
    """

    count: int
    first: float
    last: float
    before: int = 0
    reason: str = "the spool had no room"

    @property
    def span(self) -> Span:
        """The seconds that they lie in."""
        return Span(int(self.first), int(self.last) + 1)

    def add(self, timestamp: float, reason: str) -> Loss:
        """Return this with one message more."""
        if not self.count:
            return Loss(1, timestamp, timestamp, self.before, reason)
        reasons = self.reason if reason in self.reason else f"{self.reason}; {reason}"
        first, last = min(self.first, timestamp), max(self.last, timestamp)
        return Loss(self.count + 1, first, last, self.before, reasons)

    def together(self, recorded: Loss) -> Loss:
        """Return this with what had been recorded before and is not any more."""
        known = self if self.count else recorded
        first, last = min(known.first, recorded.first), max(known.last, recorded.last)
        reasons = known.reason if recorded.reason in known.reason else f"{known.reason}; {recorded.reason}"
        return Loss(self.count + recorded.count, first, last, self.before - recorded.count, reasons)

    def without(self, recorded: Loss) -> Loss:
        """Return what is left of this when what was lost until a moment ago has been recorded."""
        return replace(self, count=self.count - recorded.count, before=self.before + recorded.count)


class LossFile:
    """Keeps on disk what was lost. Any thread may note, and take off.

    :raises OSError: if the file cannot be opened
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = RESERVE.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._loss = _unpack(os.pread(self._fd, LOSS.size, 0))
        self._noting = threading.Lock()

    @property
    def present(self) -> Loss | None:
        """What was lost and not taken off again; None for nothing."""
        return self._loss if self._loss.count else None

    def add(self, timestamp: float, reason: str) -> Loss:
        """Note that a message of that time was lost, and return all that was."""
        with self._noting:
            loss = self._loss.add(timestamp, reason)
            self._keep(loss)
        return loss

    def take_off(self, recorded: Loss) -> None:
        """Take off what has been recorded elsewhere."""
        with self._noting:
            self._keep(self._loss.without(recorded))

    def bring_back(self, recorded: Loss) -> None:
        """Note again what was taken off, as it is recorded nowhere any more."""
        with self._noting:
            self._keep(self._loss.together(recorded))

    def is_in_place(self) -> bool:
        """Return whether the file is on its path."""
        return is_on_path(self._fd, self._path)

    def put_back(self) -> None:
        """Write to the path anew what was lost, as the file is not there any more.

        :raises OSError: if the file cannot be made
        """
        with self._noting:
            fd = RESERVE.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            self.close()
            self._fd = fd
            self._keep(self._loss)

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _keep(self, loss: Loss) -> None:
        self._loss = loss
        try:
            os.pwrite(self._fd, _pack(loss), 0)
        except OSError as error:
            log.error("could not note in %s what was lost: %s", self._path, error.strerror)


def _pack(loss: Loss) -> bytes:
    *numbers, reason = astuple(loss)
    return LOSS.pack(*numbers, reason.encode("utf-8"))


def _unpack(data: bytes) -> Loss:
    if len(data) == LOSS.size:
        count, first, last, before, reason = LOSS.unpack(data)
        return Loss(count, first, last, before, reason.rstrip(b"\0").decode("utf-8", "ignore"))
    return Loss(*UNREASONED.unpack(data)) if len(data) == UNREASONED.size else Loss(0, 0, 0)
