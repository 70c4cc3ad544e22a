"""Standard output and standard error, which a plugin may replace or close, and which then are put back."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sys
from typing import Any

#: The file descriptors of standard input, output and error.
DESCRIPTORS = (0, 1, 2)
#: Copies get a number from here on, so that they are in nobody's way.
COPIES = 100


class Streams:
    """Knows what the streams were, and has a copy of the descriptors behind them."""

    def __init__(self) -> None:
        self._streams: dict[str, Any] = {name: getattr(sys, name) for name in ("stdout", "stderr")}
        self._copies: dict[int, int] = {}
        for number in DESCRIPTORS:
            with contextlib.suppress(OSError):  # it is closed, or there are few descriptors
                self._copies[number] = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, COPIES)

    def put_back(self) -> bool:
        """Put back what was replaced or closed, and return whether anything was. Logs then go where they went."""
        changed = [self._open(number, copy) for number, copy in self._copies.items()]
        for name, stream in self._streams.items():
            if getattr(stream, "closed", False):
                self._streams[name] = _opened_again(stream, name)
            if getattr(sys, name) is not self._streams[name]:
                setattr(sys, name, self._streams[name])
                changed.append(True)
        return any(changed)

    def close(self) -> None:
        """Let go of the copies."""
        for copy in self._copies.values():
            os.close(copy)
        self._copies.clear()

    @staticmethod
    def _open(number: int, copy: int) -> bool:
        """Open a descriptor again if it is closed. One that something else has got meanwhile is left to that."""
        try:
            os.fstat(number)
        except OSError:
            os.dup2(copy, number)
            return True
        return False


def _opened_again(stream: Any, name: str) -> Any:
    """Return a stream for one that was closed, and let logs go to it that went there."""
    again = open(  # noqa: SIM115  it stays open
        {"stdout": 1, "stderr": 2}[name],
        "w",
        buffering=1,
        encoding=stream.encoding,
        errors="backslashreplace",
        closefd=False,
    )
    for handler in _stream_handlers():
        if handler.stream is stream:
            handler.stream = again  # not by setStream, which would flush what is closed
    return again


def _stream_handlers() -> list[logging.StreamHandler[Any]]:
    loggers = [logging.getLogger(), *map(logging.getLogger, tuple(logging.root.manager.loggerDict))]
    handlers = [handler for logger in loggers for handler in logger.handlers]
    return [handler for handler in handlers if isinstance(handler, logging.StreamHandler)]
