"""Names the plugin that hangs."""

from __future__ import annotations

import faulthandler
import logging
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import CodeType
from typing import Any

from statscache.database.timing import Stopwatch
from statscache.errors import HUNG
from statscache.process.steady_event import SteadyEvent

log = logging.getLogger(__name__)

#: How often in seconds the watchdog looks.
LOOK = 1.0
#: A plugin that holds the interpreter's lock keeps the watchdog itself from running. After so many seconds of
#: processor time more than the limit a signal then writes the stacks to a file and ends the process.
GRACE = 5.0
#: A process that got so many seconds less than it should was frozen: SIGSTOP, or a machine that was paused.
FROZEN = 4.0
STACK_LINE = re.compile(r'File "(?P<file>.*)", line (?P<line>\d+) in ')


def end_hung() -> None:
    """End a process in which a plugin hangs; a new one does without the plugin."""
    os._exit(HUNG)


class Watch:
    """Which plugin one thread is in, and since when. The thread itself keeps it; the watchdog reads it."""

    def __init__(self) -> None:
        #: The plugin's ident; None while the thread is in none.
        self.busy: str | None = None
        self.thread = 0
        #: When it was called, in seconds of `time.monotonic`, and what tells of its waiting for the database.
        self.since: tuple[float, Stopwatch | None] = (0.0, None)

    def begin(self, ident: str | None = None, stopwatch: Stopwatch | None = None) -> None:
        """Note that plugins are called from now on.

        :param stopwatch: one started with it, if the database can be waited for meanwhile, which is not to count
        """
        self.thread = threading.get_ident()
        self.since = (time.monotonic(), stopwatch)
        self.busy = ident

    def end(self) -> None:
        """Note that no plugin is being called."""
        self.busy = None

    @property
    def seconds(self) -> float:
        """How long plugins have been called."""
        since, stopwatch = self.since
        return time.monotonic() - since - (stopwatch.waited if stopwatch else 0.0)

    def stack(self) -> str:
        """Return where the thread is, as a traceback would tell it."""
        frame = sys._current_frames().get(self.thread)
        return "".join(traceback.format_stack(frame)) if frame else ""


class Watchdog:
    """Looks every second, on a thread of its own, whether a plugin has been busy for too long.

    :param limit: how long in seconds a plugin may take for one call
    :param on_hang: called once, with the plugin's ident
    :param stacks: where the stacks are written if even this thread does not get to run
    """

    def __init__(
        self, watches: Sequence[Watch], limit: float, on_hang: Callable[[str], None], stacks: Path
    ) -> None:
        self._watches = watches
        self._limit = limit
        self._on_hang = on_hang
        self._stacks = stacks
        self._looked = (0.0, 0.0)
        self._thawed = 0.0
        self._stopping = SteadyEvent()
        self._thread = threading.Thread(target=self.run, name="statscache-watchdog", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._file = self._stacks.open("w", encoding="utf-8")
        faulthandler.register(signal.SIGPROF, file=self._file, chain=True)  # chain: then the process ends
        self._wind_up()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        signal.setitimer(signal.ITIMER_PROF, 0)

    def run(self) -> None:
        """Look until stopped. The body of the thread."""
        self._looked = _clocks()
        while not self._stopping.wait(LOOK):
            self._wind_up()
            self._notice_freeze()
            if hung := self.look():
                self._on_hang(hung)
                return

    def _wind_up(self) -> None:
        """Let the signal come after so much processor time from now on."""
        if not self._stopping.is_set():
            signal.setitimer(signal.ITIMER_PROF, self._limit + GRACE)

    def _notice_freeze(self) -> None:
        """Note when the process was last frozen: what no plugin got done until then is no plugin's fault."""
        before, self._looked = self._looked, _clocks()
        passed, used = (now - then for now, then in zip(self._looked, before, strict=True))
        if passed - used > LOOK + FROZEN:
            log.warning("this process was frozen for %.0f s", passed)
            self._thawed = time.monotonic()

    def look(self) -> str | None:
        """Return the plugin that hangs, if one does, having logged where."""
        since = time.monotonic() - self._thawed
        for watch in self._watches:
            plugin, seconds = watch.busy, min(watch.seconds, since)
            if plugin is not None and seconds > self._limit:
                log.critical(
                    "%s hangs, its call has been running for %.0f s:\n%s", plugin, seconds, watch.stack()
                )
                return plugin
        return None


def _clocks() -> tuple[float, float]:
    """Return the time, and how much processor time the process has used, in seconds."""
    return time.monotonic(), time.process_time()


def suspects(stacks: str, plugins: Mapping[str, Any]) -> list[str]:
    """Return which of the plugins, by ident, were in their `process` or `update` when the stacks were written.

    Several plugins can share the code that hung; all of them are returned.
    """
    places = [(match["file"], int(match["line"])) for match in STACK_LINE.finditer(stacks)]
    return [
        ident
        for ident, plugin in plugins.items()
        if any(_is_in(place, code) for place in places for code in _code_of(plugin))
    ]


def _code_of(plugin: Any) -> list[CodeType]:
    methods = (getattr(type(plugin), name) for name in ("process", "update"))
    return [method.__code__ for method in methods if hasattr(method, "__code__")]


def _is_in(place: tuple[str, int], code: CodeType) -> bool:
    file, line = place
    return file == code.co_filename and any(line == known for _, _, known in code.co_lines())
