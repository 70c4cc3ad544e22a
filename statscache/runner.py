"""A plugin as the daemon runs it: what it has been handed, and what of that is not yet written."""

from __future__ import annotations

import logging
import re
from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from types import FunctionType
from typing import Any

from sqlalchemy.orm import Session

from statscache.errors import Unstorable
from statscache.loader import Part
from statscache.message import Message
from statscache.plugins import BasePlugin
from statscache.tally import Tally

log = logging.getLogger(__name__)

#: What an attribute may hold without being state that a message could change.
CONSTANT = (
    str,
    bytes,
    int,
    float,
    tuple,
    frozenset,
    datetime,
    timedelta,
    re.Pattern,
    type,
    FunctionType,
    type(None),
)
#: What `BasePlugin` itself keeps in an instance.
OWN = {"schedule", "config", "queue", "model"}


class Runner(ABC):
    """Takes messages for one plugin and lets it write what they came to.

    `take` and `cut` are called under the intake's lock, the others on the flush's thread.
    """

    def __init__(self, part: Part) -> None:
        self.ident = part.ident
        #: How many messages the plugin's `process` has refused, by the kind of error.
        self.set_aside = Tally()

    @abstractmethod
    def take(self, message: Message) -> None:
        """Hand over a message."""

    @abstractmethod
    def cut(self) -> None:
        """Let all that was handed over so far be part of the next `update`."""

    @property
    @abstractmethod
    def waiting(self) -> bool:
        """Whether there is something to write."""

    @abstractmethod
    def update(self, session: Session) -> None:
        """Let the plugin write. What it raises is the plugin's or the database's trouble."""

    @abstractmethod
    def succeeded(self) -> None:
        """Forget what was written: the transaction is committed."""

    @abstractmethod
    def failed(self) -> None:
        """Keep what was to be written for the next `update`."""

    def refuse(self, message: Message, error: Exception) -> None:
        """Set a message aside that the plugin's `process` raised for: it counts for all the other plugins."""
        kind = type(error).__name__
        if self.set_aside.add(kind):
            log.warning(
                "%s sets aside the message %r (%.200r): %s: %.300s; %d so far for this kind of error",
                self.ident,
                message.msg_id,
                message.topic,
                kind,
                str(error).encode("ascii", "backslashreplace").decode(),
                self.set_aside.counts[kind],
                exc_info=None if isinstance(error, Unstorable) else error,
            )


class QueuedRunner(Runner):
    """Runs a plugin whose whole state is its queue: `process` is called as messages arrive."""

    def __init__(self, part: Part) -> None:
        super().__init__(part)
        self._plugin = part.plugin
        self._queue = part.plugin.queue
        self._cut: list[Any] = []
        self._rest: list[Any] = []

    def take(self, message: Message) -> None:
        length = len(self._queue)
        try:
            self._plugin.process(message)
        except Exception as error:  # noqa: BLE001  one plugin's trouble is its own
            self._queue.truncate(length)
            self.refuse(message, error)

    def cut(self) -> None:
        self._cut += self._queue.cut()

    @property
    def waiting(self) -> bool:
        return bool(self._cut)

    def update(self, session: Session) -> None:
        self._queue.offer(self._cut)
        try:
            self._plugin.update(session)
        finally:
            self._rest = self._queue.withdraw()

    def succeeded(self) -> None:
        self._cut, self._rest = self._rest, []

    def failed(self) -> None:
        self._rest = []


class StatefulRunner(Runner):
    """Runs any other plugin: `process` is called just before `update`, and after an attempt that did not commit
    the instance is replaced by a new one, which to the plugin is a restart."""

    def __init__(self, part: Part) -> None:
        super().__init__(part)
        self._make = part.make
        self._plugin: BasePlugin | None = part.plugin
        self._taken: list[Message] = []
        self._cut: list[Message] = []

    def take(self, message: Message) -> None:
        self._taken.append(message)

    def cut(self) -> None:
        self._cut += self._taken
        self._taken = []

    @property
    def waiting(self) -> bool:
        return bool(self._cut)

    def update(self, session: Session) -> None:
        while refused := self._feed():
            # What `process` has left half done is unknown, so a new instance gets all the others again.
            self._plugin = None
            self._cut = [message for index, message in enumerate(self._cut) if index not in refused]
        assert self._plugin is not None  # _feed has made one
        self._plugin.update(session)

    def succeeded(self) -> None:
        self._cut = []

    def failed(self) -> None:
        self._plugin = None

    def _feed(self) -> set[int]:
        """Hand the cut to the plugin; return which of it, by position, it raised for."""
        refused = set()
        if self._plugin is None:
            self._plugin = self._make()
        for index, message in enumerate(self._cut):
            try:
                self._plugin.process(message)
            except Exception as error:  # noqa: BLE001  one plugin's trouble is its own
                self.refuse(message, error)
                refused.add(index)
        return refused


def make_runner(part: Part) -> Runner:
    """Return what runs this plugin."""
    return QueuedRunner(part) if _only_queues(part.plugin) else StatefulRunner(part)


def _only_queues(plugin: BasePlugin) -> bool:
    """Return whether the plugin says so, and has no attribute that looks like state of another kind."""
    own = (value for name, value in vars(plugin).items() if name not in OWN)
    return plugin.queued and all(isinstance(value, CONSTANT) for value in own)
