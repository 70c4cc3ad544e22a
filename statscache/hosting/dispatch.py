"""Handing messages to plugins whose whole state is their queue."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from typing import Any

from statscache.errors import Unstorable, is_interrupt, loggable, text_of
from statscache.hosting.results import check_result
from statscache.hosting.watchdog import Watch
from statscache.messages.message import Message
from statscache.plugins import BasePlugin
from statscache.plugins.in_windows import WindowPlugin
from statscache.process.forks import FORKS
from statscache.reasons import ReasonCounter
from statscache.store.failure import TRACEBACKS, Failure, failure

log = logging.getLogger(__name__)

#: So many messages are handed to one plugin after the other, which is faster than all plugins for each message.
AT_ONCE = 128
#: Of so many topics it is remembered which plugins want them.
TOPICS = 4096


@dataclass
class Taken:
    """What one plugin has taken from messages.

    :param items: what it has put into its queue
    :param failures: why its `process` refused a message, by the message's id
    :param seconds: about how long it took
    """

    items: list[Any] = field(default_factory=list)
    failures: dict[str, Failure] = field(default_factory=dict)
    seconds: float = 0.0


def topics_of(plugin: BasePlugin) -> re.Pattern[str] | None:
    """Return which topics a plugin wants, None for all."""
    topics = plugin.topics
    return topics if isinstance(topics, re.Pattern) else None  # a plugin of 0.0.4 may mean anything by it


def wants(topics: re.Pattern[str] | None, topic: str) -> bool:
    """Return whether a topic is among those wanted."""
    return topics is None or topics.search(topic) is not None


class Recipient:
    """A plugin whose whole state is its queue, as messages are handed to it."""

    def __init__(self, ident: str, plugin: BasePlugin) -> None:
        self.ident = ident
        self.process = plugin.process
        #: What plugins have in common of which one is called for all; None for one that is called for itself.
        self.family = _family_of(plugin)
        self.queue = plugin.queue
        self.topics = topics_of(plugin)
        self._taken = Taken()
        self._refused = ReasonCounter()

    def refuse(self, message: Message, error: BaseException, length: int) -> None:
        """Keep what `process` has raised as a failure, and leave the queue as it was, of that length."""
        self.queue.truncate(length)
        keep(self._taken, message, error)
        report(self._refused, self.ident, message, error)

    def add_seconds(self, seconds: float) -> None:
        """Note that handing over took so long."""
        self._taken.seconds += seconds

    def cut(self) -> Taken:
        """Return what was taken since the last cut."""
        taken, self._taken = self._taken, Taken()
        taken.items = self.queue.cut()
        return taken


class Family:
    """Recipients that take the same from each message, so that one of them is called for all."""

    def __init__(self, recipients: Sequence[Recipient]) -> None:
        self._first, *self._others = recipients
        self.ident = self._first.ident
        #: Which topics they want, None for all.
        self.topics = self._first.topics

    def take(self, messages: Sequence[Message], watch: Watch) -> None:
        """Hand messages over, and note in the watch when each begins."""
        process, items, clock = self._first.process, self._first.queue.items, time.monotonic
        forks = FORKS
        for message in messages:
            watch.since = (clock(), None)
            length = len(items)
            try:
                if (result := process(message)) is not None:
                    check_result(result)
                if forks.in_child:
                    forks.end_child()
            except BaseException as error:
                forks.end_child()
                if is_interrupt(error):
                    raise
                self._refuse(message, error, length)

    def _refuse(self, message: Message, error: BaseException, length: int) -> None:
        """Keep what `process` has raised as a failure of all, and leave the queue as it was, of that length."""
        for recipient in (self._first, *self._others):
            recipient.refuse(message, error, length)

    def add_seconds(self, seconds: float) -> None:
        """Note that handing over took so long."""
        self._first.add_seconds(seconds)

    def cut(self) -> dict[str, Taken]:
        """Return what was taken since the last cut, by the ident of each."""
        taken = self._first.cut()
        others = {recipient.ident: replace(recipient.cut(), items=taken.items) for recipient in self._others}
        return {self.ident: taken, **others}


class Sorter:
    """Sorts messages by the families that want them. Which want a topic is found once."""

    def __init__(self, families: Sequence[Family]) -> None:
        self.families = families
        self._wanting = lru_cache(TOPICS)(self._find_wanting)

    def sort(self, messages: Sequence[Message]) -> Iterator[tuple[Family, Sequence[Message]]]:
        """Yield each family that wants any of the messages, and these."""
        wanted: list[list[Message]] = [[] for _ in self.families]
        for message in messages:
            for place in self._wanting(message.topic):
                wanted[place].append(message)
        for family, its in zip(self.families, wanted, strict=True):
            if family.topics is None:
                yield family, messages
            elif its:
                yield family, its

    def _find_wanting(self, topic: str) -> list[int]:
        """Return the places of the families that want a topic, without those that want all."""
        places = enumerate(family.topics for family in self.families)
        return [place for place, topics in places if topics is not None and wants(topics, topic)]


def _families(recipients: Sequence[Recipient]) -> list[Family]:
    """Return the recipients in families: one of each is called for all of it."""
    groups: dict[Any, list[Recipient]] = {}
    for recipient in recipients:
        groups.setdefault(recipient.family or recipient, []).append(recipient)
    return [Family(group) for group in groups.values()]


def _family_of(plugin: BasePlugin) -> Any:
    """Return what plugins that are alike have in common: the methods of their class that take, and their topics."""
    if not isinstance(plugin, WindowPlugin) or not plugin.alike:
        return None
    taking = [getattr(type(plugin), name) for name in plugin.taking]
    return type(plugin).process, *taking, topics_of(plugin)


class Dispatch:
    """Hands messages to all plugins whose whole state is their queue. For one thread alone.

    A plugin that is suspended gets none, from one cut to the next.

    :param watch: kept up to date with the plugin that is being called
    :param suspended: tells by its ident whether a plugin is to be left alone
    """

    def __init__(
        self,
        recipients: Sequence[Recipient],
        watch: Watch,
        suspended: Callable[[str], bool] = lambda ident: False,
    ) -> None:
        self._recipients = recipients
        self._suspended = suspended
        self._active = self._find_active()
        self._sorter = Sorter(_families(self._active))
        self._watch = watch

    def take(self, messages: Iterable[Message]) -> None:
        """Hand over messages. What a `process` raises is kept as a failure, for that plugin alone."""
        messages, watch, clock = iter(messages), self._watch, time.perf_counter
        while some := list(islice(messages, AT_ONCE)):
            try:
                for family, wanted in self._sorter.sort(some):
                    watch.begin(family.ident)
                    start = clock()
                    family.take(wanted, watch)
                    family.add_seconds(clock() - start)
            finally:
                watch.end()

    def cut(self) -> dict[str, Taken]:
        """Return what each plugin has taken since the last cut, by its ident, of those that got all messages."""
        taken = {ident: its for family in self._sorter.families for ident, its in family.cut().items()}
        active = self._find_active()
        if active != self._active:
            self._active, self._sorter = active, Sorter(_families(active))
        return taken

    def _find_active(self) -> list[Recipient]:
        return [recipient for recipient in self._recipients if not self._suspended(recipient.ident)]


def keep(taken: Taken, message: Message, error: BaseException) -> None:
    taken.failures[message.id] = failure(error, brief=len(taken.failures) >= TRACEBACKS)


def report(refused: ReasonCounter, ident: str, message: Message, error: BaseException) -> None:
    """Log that a plugin's `process` raised for a message, unless it has done so often."""
    kind = type(error).__name__
    if refused.add(kind):
        log.warning(
            "%s could not count the message %r (%.200r), which goes to the quarantine: %s: %.300s; "
            "%d so far for this kind of error",
            ident,
            message.msg_id,
            message.topic,
            kind,
            text_of(error).encode("ascii", "backslashreplace").decode(),
            refused.counts[kind],
            exc_info=None if isinstance(error, Unstorable) else loggable(error),
        )
