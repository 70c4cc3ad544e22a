"""A plugin as the daemon runs it."""

from __future__ import annotations

import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from types import FunctionType
from typing import Any

from sqlalchemy.orm import Session

from statscache.errors import is_interrupt, number_of
from statscache.hosting.dispatch import Dispatch, Recipient, Taken, keep, report, topics_of, wants
from statscache.hosting.loader import Part
from statscache.hosting.results import check_result
from statscache.hosting.watchdog import Watch
from statscache.messages.message import Message
from statscache.messages.pseudonyms import Pseudonyms
from statscache.plugins import (
    BasePlugin,
    CountingPlugin,
    DurationPlugin,
    FirstSeenPlugin,
    LatestPlugin,
    MeasuringPlugin,
    NotePlugin,
)
from statscache.process.forks import FORKS
from statscache.reasons import ReasonCounter

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
#: Methods that write with nothing but upserts whose results they do not ask for, rows with smaller keys first.
UPSERTING = {
    CountingPlugin.update,
    CountingPlugin.add_counts,
    FirstSeenPlugin.update,
    LatestPlugin.update,
    MeasuringPlugin.update,
    NotePlugin.update,
}
#: The same of methods that read first what their upserts rest on, which nobody else may write meanwhile.
READING = {DurationPlugin.update}
#: What `BasePlugin` itself keeps in an instance.
OWN = {"schedule", "config", "queue", "model"}

Messages = Callable[[], Iterator[Message]]


class Runner(ABC):
    """Lets one plugin take messages and write what they came to. For the flush's thread alone."""

    def __init__(self, part: Part) -> None:
        self.ident = part.ident
        self.version = part.plugin.version
        #: The name of its table, None if it has none.
        self.table: str | None = getattr(getattr(part.plugin.model, "__table__", None), "fullname", None)
        #: Whether it writes its table with nothing but upserts, which can be sent whenever that is best.
        self.upserts = self.table is not None and only_upserts(part.plugin)
        #: Whether it reads its tables first, which nobody else may write until its upserts are committed.
        self.reads = type(part.plugin).update in READING
        #: How long before a window's start messages still matter to it.
        self.reach = part.plugin.reach
        self._topics = topics_of(part.plugin)

    def wants(self, topic: str) -> bool:
        """Return whether messages of a topic are handed to the plugin."""
        return wants(self._topics, topic)

    def wanted(self, ids: Sequence[str], read: Callable[[Sequence[str]], Iterator[Message]]) -> list[str]:
        """Return the ids of those messages whose topic the plugin wants.

        :param read: gives the messages with these ids
        """
        if self._topics is None:
            return list(ids)
        return [message.id for message in read(ids) if self.wants(message.topic)]

    @abstractmethod
    def take(self, messages: Messages) -> Taken:
        """Hand over messages.

        :param messages: gives an iterator over them, each time anew
        """

    def writes(self, taken: Taken | None) -> bool:
        """Return whether there is anything to be written, or may be where it has taken nothing yet."""
        return True

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

    def __init__(self, part: Part, pseudonyms: Pseudonyms) -> None:
        super().__init__(part)
        self._plugin = part.make()
        self._pseudonyms = pseudonyms
        #: Hands messages to the plugin as they arrive, on the intake's thread.
        self.live = Recipient(part.ident, part.plugin)
        #: The same on the flush's thread.
        self.own = Recipient(part.ident, self._plugin)
        self._dispatch = Dispatch([self.own], Watch())

    def take(self, messages: Messages) -> Taken:
        self.own.cut()  # which gives up what an attempt has left that failed half-way
        for message in messages():
            self._dispatch.take([message])
        return self.own.cut()

    def writes(self, taken: Taken | None) -> bool:
        return taken is None or bool(taken.items)

    def update(self, session: Session, taken: Taken) -> None:
        queue, items = self._plugin.queue, taken.items
        if self._pseudonyms:
            items = self._plugin.renamed(items, self._pseudonyms)
        queue.offer(items)
        try:
            _call(self._plugin.update, session)
        finally:
            left = queue.withdraw()
        if left:
            raise RuntimeError(
                f"its update left {number_of(len(left), 'item')} in the queue: take them all with drain()"
            )

    def discard(self) -> None:
        """Do nothing: what was taken is in no instance."""


class StatefulRunner(Runner):
    """Runs any other plugin: after an attempt that did not commit the instance is replaced by a new one, which to
    the plugin is a restart."""

    def __init__(self, part: Part) -> None:
        super().__init__(part)
        self._make = part.make
        self._plugin: BasePlugin | None = part.plugin
        self._refused = ReasonCounter()

    def take(self, messages: Messages) -> Taken:
        taken = Taken()
        while not self._feed((m for m in messages() if m.id not in taken.failures), taken):
            pass
        return taken

    def update(self, session: Session, taken: Taken) -> None:
        assert self._plugin is not None  # take has made one
        _call(self._plugin.update, session)

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
            if not self.wants(message.topic):
                continue
            try:
                _call(self._plugin.process, message)
            except BaseException as error:
                if is_interrupt(error):
                    raise
                keep(taken, message, error)
                report(self._refused, self.ident, message, error)
        if len(taken.failures) > before:
            self._plugin = None
        return len(taken.failures) == before


def _call(method: Callable[[Any], Any], argument: Any) -> None:
    """Call a method of a plugin. Where that has forked, only this process goes on.

    :raises TypeError: if its body has not run
    :raises BaseException: whatever it raises
    """
    try:
        check_result(method(argument))
    finally:
        FORKS.end_child()


def make_runner(part: Part, pseudonyms: Pseudonyms) -> Runner:
    """Return what runs this plugin.

    :param pseudonyms: what is written instead of the names of people who are forgotten
    """
    return QueuedRunner(part, pseudonyms) if _only_queues(part.plugin) else StatefulRunner(part)


def only_upserts(plugin: BasePlugin) -> bool:
    """Return whether a plugin is of a kind that writes its table with nothing but upserts, and no method of its own."""
    writing = [getattr(type(plugin), name, None) for name in ("update", "add_counts")]
    replaced = {"update", "add_counts"} & vars(plugin).keys()
    return plugin.queued and (UPSERTING | READING).issuperset(filter(None, writing)) and not replaced


def _only_queues(plugin: BasePlugin) -> bool:
    """Return whether the plugin says so, and has no attribute that looks like state of another kind."""
    own = (value for name, value in vars(plugin).items() if name not in OWN)
    return plugin.queued and all(isinstance(value, CONSTANT) for value in own)
