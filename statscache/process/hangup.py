"""SIGHUP: logrotate wants the files of the log opened anew, or the terminal that we were started at is gone."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from queue import SimpleQueue
from types import FrameType

log = logging.getLogger(__name__)

Handler = Callable[[int, FrameType | None], object]


class Hangup:
    """Decides what SIGHUP does to this process: it ends only what somebody started at a terminal, without nohup.

    Everything else goes on, with the files of its log opened anew.
    """

    def __init__(self) -> None:
        self._at_a_terminal = _is_terminal(0) and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
        #: A queue of this kind may be used in the handler of a signal.
        self._asked: SimpleQueue[None] = SimpleQueue()
        self._thread = threading.Thread(target=self._reopen, name="statscache-logs", daemon=True)

    def heed(self, end: Handler | None = None) -> None:
        """Take the signal over, on the main thread; again if somebody else has taken it since.

        :param end: ends the process where that is what the signal means; None for what it does by itself
        """
        if self._at_a_terminal:
            signal.signal(signal.SIGHUP, end or signal.SIG_DFL)
            return
        if not self._thread.is_alive():
            self._thread.start()
        signal.signal(signal.SIGHUP, lambda number, frame: self._asked.put(None))

    def _reopen(self) -> None:
        """Open the files anew whenever that is asked for. The body of the thread, which may wait for locks."""
        while True:
            self._asked.get()
            reopen_logs()
            log.info("SIGHUP: the files of the log are opened anew")


def reopen_logs() -> None:
    """Open the files that anything logs to anew. One that cannot be opened goes on where it was."""
    loggers = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]
    handlers = dict.fromkeys(handler for logger in loggers for handler in logger.handlers)
    for handler in handlers:
        if isinstance(handler, logging.FileHandler):
            try:
                _reopen_file(handler)
            except OSError as error:
                log.error("the log %s cannot be opened anew: %s", handler.baseFilename, error.strerror)


def _reopen_file(handler: logging.FileHandler) -> None:
    handler.acquire()
    try:
        handler.mode = "a"  # whatever it was, what has been written is kept
        before = handler.setStream(handler._open())
        if before is not None:
            before.close()
    finally:
        handler.release()


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
