"""A plugin as the daemon runs it."""

from __future__ import annotations

import logging
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from types import FunctionType
from typing import Any

from sqlalchemy.orm import Session

from statscache.batch import Taken
from statscache.errors import Unstorable, is_interrupt, text_of
from statscache.loader import Part
from statscache.message import Message
from statscache.plugins import BasePlugin
from statscache.quarantine import TRACEBACKS, failure
from statscache.tally import Tally
from statscache.watchdog import Watch

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

#: The time that plugins take for a message is measured for one in so many.
SAMPLE = 64

#: Of so many topics it is remembered which plugins want them.
TOPICS = 4096

Messages = Callable[[], Iterator[Message]]


def topics_of(plugin: BasePlugin) -> re.Pattern[str] | None:
    """Return which topics a plugin wants, None for all."""
    topics = plugin.topics
    return topics if isinstance(topics, re.Pattern) else None  # a plugin of 0.0.4 may mean anything by it


def wants(topics: re.Pattern[str] | None, topic: str) -> bool:
    """Return whether a topic is among those wanted."""
    return topics is None or topics.search(topic) is not None


class Taker:
    """A plugin whose whole state is its queue, as messages are handed to it."""

    def __init__(self, ident: str, plugin: BasePlugin) -> None:
        self.ident = ident
        self.process = plugin.process
        self.queue = plugin.queue
        self.topics = topics_of(plugin)
        self._taken = Taken()
        self._refused = Tally()

    def refuse(self, message: Message, error: BaseException, length: int) -> None:
        """Keep what `process` has raised as a failure, and leave the queue as it was, of that length."""
        self.queue.truncate(length)
        _keep(self._taken, message, error)
        report(self._refused, self.ident, message, error)

    def add_seconds(self, seconds: float) -> None:
        """Note that handing over took so long."""
        self._taken.seconds += seconds

    def cut(self) -> Taken:
        """Return what was taken since the last cut."""
        taken, self._taken = self._taken, Taken()
        taken.items = self.queue.cut()
        return taken


class Takers:
    """Hands each message to all plugins whose whole state is their queue. For one thread alone.

    A plugin that is suspended gets none, from one cut to the next.

    :param watch: kept up to date with the plugin that is being called
    :param suspended: tells by its ident whether a plugin is to be left alone
    """

    def __init__(
        self,
        takers: Sequence[Taker],
        watch: Watch,
        suspended: Callable[[str], bool] = lambda ident: False,
    ) -> None:
        self._takers = takers
        self._suspended = suspended
        self._calls = self._make_calls()
        self._calls_of: dict[str, list[Any]] = {}
        self._watch = watch
        self._count = 0

    def take(self, message: Message) -> None:
        """Hand over a message. What a `process` raises is kept as a failure, for that plugin alone."""
        self._count += 1
        timed = self._count % SAMPLE == 0
        watch = self._watch
        watch.begin()
        calls = self._calls_of.get(message.topic)
        if calls is None:
            calls = self._calls_for(message.topic)
        for ident, process, items, taker in calls:
            watch.busy = ident
            length = len(items)
            before = time.perf_counter() if timed else 0.0
            try:
                process(message)
            except BaseException as error:
                if is_interrupt(error):
                    raise
                taker.refuse(message, error, length)
            if timed:
                taker.add_seconds((time.perf_counter() - before) * SAMPLE)
        watch.end()

    def cut(self) -> dict[str, Taken]:
        """Return what each plugin has taken since the last cut, by its ident, of those that got all messages."""
        taken = {ident: taker.cut() for ident, _, _, taker in self._calls}
        calls = self._make_calls()
        if len(calls) != len(self._calls) or any(
            a[0] != b[0] for a, b in zip(calls, self._calls, strict=True)
        ):
            self._calls = calls
            self._calls_of.clear()
        return taken

    def _calls_for(self, topic: str) -> list[Any]:
        """Return, and keep, what the loop over the messages of a topic needs."""
        if len(self._calls_of) >= TOPICS:
            self._calls_of.clear()
        calls = [call for call in self._calls if wants(call[3].topics, topic)]
        self._calls_of[topic] = calls
        return calls

    def _make_calls(self) -> list[Any]:
        """Return what the loop over every message needs, looked up once: ident, process, queue, taker."""
        return [
            (taker.ident, taker.process, taker.queue.items, taker)
            for taker in self._takers
            if not self._suspended(taker.ident)
        ]


class Runner(ABC):
    """Lets one plugin take messages and write what they came to. For the flush's thread alone."""

    def __init__(self, part: Part) -> None:
        self.ident = part.ident
        self._topics = topics_of(part.plugin)

    def wanted(self, ids: Sequence[str], read: Callable[[Sequence[str]], Iterator[Message]]) -> list[str]:
        """Return the ids of those messages whose topic the plugin wants.

        :param read: gives the messages with these ids
        """
        if self._topics is None:
            return list(ids)
        return [message.id for message in read(ids) if wants(self._topics, message.topic)]

    @abstractmethod
    def take(self, messages: Messages) -> Taken:
        """Hand over messages.

        :param messages: gives an iterator over them, each time anew
        """

    @abstractmethod
    def update(self, session: Session, taken: Taken) -> None:
        """Let the plugin write what it has taken."""

    @abstractmethod
    def discard(self) -> None:
        """Forget what was taken: the attempt did not commit."""


class QueuedRunner(Runner):
    """Runs a plugin whose whole state is its queue.

    There are two instances of it, so that messages can be handed over as they arrive on the one hand, and read
    back and handed over again on the other, without a thread ever waiting for the other.
    """

    def __init__(self, part: Part) -> None:
        super().__init__(part)
        self._plugin = part.make()
        #: Hands messages to the plugin as they arrive, on the intake's thread.
        self.live = Taker(part.ident, part.plugin)
        #: The same on the flush's thread.
        self.own = Taker(part.ident, self._plugin)
        self._takers = Takers([self.own], Watch())

    def take(self, messages: Messages) -> Taken:
        self.own.cut()  # which gives up what an attempt has left that failed half-way
        for message in messages():
            self._takers.take(message)
        return self.own.cut()

    def update(self, session: Session, taken: Taken) -> None:
        if not taken.items:
            return
        queue = self._plugin.queue
        queue.offer(taken.items)
        try:
            self._plugin.update(session)
        finally:
            left = queue.withdraw()
        if left:
            raise RuntimeError(f"its update has left {len(left)} items in the queue: drain() it whole")

    def discard(self) -> None:
        """Do nothing: what was taken is in no instance."""


class StatefulRunner(Runner):
    """Runs any other plugin: after an attempt that did not commit the instance is replaced by a new one, which to
    the plugin is a restart."""

    def __init__(self, part: Part) -> None:
        super().__init__(part)
        self._make = part.make
        self._plugin: BasePlugin | None = part.plugin
        self._refused = Tally()

    def take(self, messages: Messages) -> Taken:
        taken = Taken()
        while not self._feed((m for m in messages() if m.id not in taken.failures), taken):
            pass
        return taken

    def update(self, session: Session, taken: Taken) -> None:
        assert self._plugin is not None  # take has made one
        self._plugin.update(session)

    def discard(self) -> None:
        self._plugin = None

    def _feed(self, messages: Iterator[Message], taken: Taken) -> bool:
        """Hand messages to the plugin, and return whether it raised for none of them.

        What a `process` that raised has left half done is unknown, so then a new instance gets the others again.
        """
        if self._plugin is None:
            self._plugin = self._make()
        before = len(taken.failures)
        for message in messages:
            if not wants(self._topics, message.topic):
                continue
            try:
                self._plugin.process(message)
            except BaseException as error:
                if is_interrupt(error):
                    raise
                _keep(taken, message, error)
                report(self._refused, self.ident, message, error)
        if len(taken.failures) > before:
            self._plugin = None
        return len(taken.failures) == before


def _keep(taken: Taken, message: Message, error: BaseException) -> None:
    taken.failures[message.id] = failure(error, brief=len(taken.failures) >= TRACEBACKS)


def report(refused: Tally, ident: str, message: Message, error: BaseException) -> None:
    """Log that a plugin's `process` raised for a message, unless it has done so often."""
    kind = type(error).__name__
    if refused.add(kind):
        log.warning(
            "%s sets aside the message %r (%.200r): %s: %.300s; %d so far for this kind of error",
            ident,
            message.msg_id,
            message.topic,
            kind,
            text_of(error).encode("ascii", "backslashreplace").decode(),
            refused.counts[kind],
            exc_info=None if isinstance(error, Unstorable) else error,
        )


def make_runner(part: Part) -> Runner:
    """Return what runs this plugin."""
    return QueuedRunner(part) if _only_queues(part.plugin) else StatefulRunner(part)


def _only_queues(plugin: BasePlugin) -> bool:
    """Return whether the plugin says so, and has no attribute that looks like state of another kind."""
    own = (value for name, value in vars(plugin).items() if name not in OWN)
    return plugin.queued and all(isinstance(value, CONSTANT) for value in own)
