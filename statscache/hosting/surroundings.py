"""What belongs to the whole process, and is put back where a plugin has changed it."""

from __future__ import annotations

import contextlib
import gc
import locale
import logging
import operator
import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from statscache.hosting.streams import Streams
from statscache.reasons import ReasonCounter

log = logging.getLogger(__name__)

#: The loggers that are looked at are the root's and those below this one.
OURS = "statscache"
#: A handler of a plugin's, or a default action, would keep these from ending the daemon, or would let them end it.
SIGNALS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGPIPE,
    signal.SIGCHLD,
    signal.SIGALRM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGXFSZ,
)

#: Has a function called on some thread, at once or later.
Call = Callable[[Callable[[], object]], object]
Logged = tuple[int, dict[str, tuple[bool, bool, int, list[logging.Handler]]]]


def at_once(call: Callable[[], object]) -> object:
    """Call a function, and return what it returns."""
    return call()


class Thing(NamedTuple):
    """Something of the process: how it is read, how it is set to what was read, and whether it is as it was."""

    read: Callable[[], Any]
    write: Callable[[Any], object]
    is_same: Callable[[Any, Any], bool] = operator.eq


def _directory() -> str | None:
    with contextlib.suppress(OSError):
        return os.getcwd()
    return None


def _go_to(directory: str | None) -> None:
    if directory is not None:
        os.chdir(directory)


def _umask() -> int:
    present = os.umask(0o077)
    os.umask(present)
    return present


def _set_filters(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]
    with warnings.catch_warnings():
        pass  # which lets Python forget what it has concluded from the others


def _set_zone(zone: str | None) -> None:
    if zone is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = zone
    time.tzset()


def _logging() -> Logged:
    """Return what is logged: below which level nothing at all, and what the root's logger and ours are set to."""
    manager = logging.root.manager
    names = ["", *(name for name in tuple(manager.loggerDict) if name.partition(".")[0] == OURS)]
    loggers = {name: logging.getLogger(name or None) for name in names}
    return manager.disable, {
        name: (one.disabled, one.propagate, one.level, list(one.handlers)) for name, one in loggers.items()
    }


def _is_logged_alike(now: Logged, kept: Logged) -> bool:
    """Return whether nothing is set otherwise; a logger that is new, as of a module that is loaded late, is none."""
    return now[0] == kept[0] and all(now[1].get(name) == state for name, state in kept[1].items())


def _set_logging(kept: Logged) -> None:
    logging.disable(kept[0])
    for name, (disabled, propagate, level, handlers) in kept[1].items():
        logger = logging.getLogger(name or None)
        logger.disabled, logger.propagate = disabled, propagate
        logger.setLevel(level)
        logger.handlers[:] = handlers


def _garbage() -> tuple[bool, tuple[int, int, int]]:
    return gc.isenabled(), gc.get_threshold()


def _set_garbage(state: tuple[bool, tuple[int, int, int]]) -> None:
    gc.set_threshold(*state[1])
    if state[0]:
        gc.enable()
    else:
        gc.disable()


def _handlers() -> dict[int, Any]:
    """Return the handlers of signals, but for those that are none of Python's."""
    found = {number: signal.getsignal(number) for number in SIGNALS}
    return {number: handler for number, handler in found.items() if handler is not None}


def _set_handlers(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def _set_hooks(hooks: tuple[Any, Any]) -> None:
    sys.excepthook, threading.excepthook = hooks


#: What is looked at after each plugin, as it takes no time to look.
QUICK = {
    "the working directory": Thing(_directory, _go_to),
    "the umask": Thing(_umask, os.umask),
    "the recursion limit": Thing(sys.getrecursionlimit, sys.setrecursionlimit),
    "how often threads take turns": Thing(sys.getswitchinterval, sys.setswitchinterval),
    "the time-out of sockets": Thing(socket.getdefaulttimeout, socket.setdefaulttimeout),
    "the filters of warnings": Thing(lambda: list(warnings.filters), _set_filters),
    "the time zone": Thing(lambda: os.environ.get("TZ"), _set_zone),
    "the locale": Thing(
        lambda: locale.setlocale(locale.LC_ALL), lambda name: locale.setlocale(locale.LC_ALL, name)
    ),
    "the garbage collector": Thing(_garbage, _set_garbage),
    "the hooks for errors": Thing(lambda: (sys.excepthook, threading.excepthook), _set_hooks),
}
#: What is looked at after each flush.
SLOW = {"what is logged": Thing(_logging, _set_logging, _is_logged_alike)}
#: The same, but only the main thread may put it back.
OF_THE_MAIN_THREAD = {"the handlers of signals": Thing(_handlers, _set_handlers)}


class Surroundings:
    """Knows how the process was. It puts nothing back until it is told to keep it."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}
        self._streams: Streams | None = None
        self._on_main_thread: Call = at_once
        self._reported = ReasonCounter()

    def keep(self, on_main_thread: Call = at_once) -> None:
        """Remember how the process is now.

        :param on_main_thread: has a function called on the main thread, at once or later
        """
        self.forget()
        self._on_main_thread = on_main_thread
        self._streams = Streams()
        self._kept = {name: thing.read() for name, thing in {**QUICK, **SLOW, **OF_THE_MAIN_THREAD}.items()}

    def forget(self) -> None:
        """Put nothing back from now on."""
        if self._streams is not None:
            self._streams.close()
        self._streams, self._kept = None, {}

    def put_back(self) -> None:
        """Put back what is not as it was, and log what that is. On any thread; it takes less than a millisecond."""
        if self._streams is not None and self._streams.put_back():
            self._report("the standard streams")
        self._put_back(SLOW)
        self.put_back_quick()
        if self._changed(OF_THE_MAIN_THREAD):
            self._on_main_thread(lambda: self._put_back(OF_THE_MAIN_THREAD))

    def put_back_quick(self) -> None:
        """Put back what takes no time to look at. On any thread; it takes some microseconds."""
        self._put_back(QUICK)

    def _changed(self, things: dict[str, Thing]) -> list[str]:
        known = {name: thing for name, thing in things.items() if name in self._kept}
        return [name for name, thing in known.items() if not thing.is_same(thing.read(), self._kept[name])]

    def _put_back(self, things: dict[str, Thing]) -> None:
        for name in self._changed(things):
            with contextlib.suppress(OSError, ValueError, RecursionError, locale.Error):
                things[name].write(self._kept[name])
            self._report(name)

    def _report(self, name: str) -> None:
        if self._reported.add(name):
            log.warning("a plugin has changed %s of the whole process, which is put back", name)


#: How this process was.
SURROUNDINGS = Surroundings()
#: Keeps threads from taking each other's changes for those of a plugin.
ONE_AT_A_TIME = threading.RLock()


@contextmanager
def kept() -> Iterator[None]:
    """Put back in the end what of the process is changed meanwhile, as by plugins that are loaded."""
    with ONE_AT_A_TIME:
        before = Surroundings()
        before.keep()
        try:
            yield
        finally:
            before.put_back()
            before.forget()
