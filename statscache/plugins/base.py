"""What every plugin is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from statscache.messages.message import Message
from statscache.messages.pseudonyms import Pseudonyms
from statscache.plugins.queue import Queue
from statscache.plugins.rows import Rows
from statscache.plugins.schedule import Schedule


class BasePlugin:
    """One statistic at one resolution, kept in the table of its `model`.

    A subclass names itself with `name`, `summary` and `description`, and defines `process` and `update`.
    statscache may make several instances of a class, and calls each from one thread at a time. An instance has these
    arguments as attributes, and `queue`, a `Queue` that hands what `process` has taken over to `update`.

    :param schedule: the windows of the plugin's `interval`; None where it has none
    :param config: the whole fedmsg configuration, for settings of the plugin's own
    :param model: the mapped class to write to, instead of the class's `model`
    :raises ValueError: if the plugin has no name, summary or description
    """

    #: What the statistic is called, in a few words. `ident` is made of it.
    name: ClassVar[str] = ""
    #: What the statistic tells, in one line.
    summary: str = ""
    #: What the statistic tells, in a sentence or more.
    description: str = ""
    #: The length of the plugin's windows, a positive whole number of seconds; None for a statistic that has none.
    interval: ClassVar[timedelta | None] = None
    #: How far back history is fetched for a plugin that is new; None for as far as the daemon's history goes.
    backlog_delta: ClassVar[timedelta | None] = None
    #: The mapped class whose table the plugin writes, declared on `Base`; None for a plugin that writes none.
    model: Any = None
    #: Whether the plugin runs without being named in `statscache.plugins.enabled`.
    enabled_by_default: ClassVar[bool] = True
    #: Only messages whose topic this finds itself in (as by `re.search`) are handed to `process`, and asked for of
    #: archives; None for all.
    topics: ClassVar[re.Pattern[str] | None] = None
    #: Whether `process` does nothing but put into `queue`. Then it is called as messages arrive, on the hub's thread;
    #: otherwise on the flush's thread just before `update`, so that state of any other kind can be rebuilt after a
    #: flush that failed.
    queued: ClassVar[bool] = False
    #: What each row of the table comes of, so that it can be checked against history, and counted again; None where
    #: that is anything else.
    rows: ClassVar[Rows | None] = None
    #: The version of how it counts, a whole number from 1 on. Raise it when the same messages come to other figures
    #: than before: who reads figures is then told which of them are of an earlier version.
    version: ClassVar[int] = 1
    #: How long rows are kept at least, unless `statscache.keep` says otherwise; None for as long as there is the table.
    #: What a table of the same statistic with longer windows does not have in full is kept all the same, if there is
    #: one: this is also the word of the author that a table without one may lose rows.
    keep: ClassVar[timedelta | None] = None
    #: Whether the table is partitioned by time, so that old rows go by the partition, where `keep` or `statscache.keep`
    #: limits it when it is created. A table with windows of less than an hour is so anyway.
    partitioned: ClassVar[bool] = False
    #: How long before a window's start messages still matter to it, in whole seconds.
    reach: timedelta = timedelta(0)

    def __init__(self, schedule: Schedule | None, config: Mapping[str, Any], model: Any = None) -> None:
        for attribute in ("name", "summary", "description"):
            if not getattr(self, attribute):
                kind = f"{type(self).__module__}.{type(self).__qualname__}"
                raise ValueError(f"the plugin {kind} has no {attribute}: give its class one")
        self.schedule = schedule
        self.config = config
        self.queue: Queue[Any] = Queue()
        if model is not None:
            self.model = model

    @property
    def ident(self) -> str:
        """The plugin's identifier: a slug of its name, then its interval, as in ``volume-by-category-1d``."""
        return f"{self.statistic}-{self.schedule}" if self.schedule else self.statistic

    @property
    def statistic(self) -> str:
        """The identifier of what it counts, which is the same for plugins that differ only by their windows."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    def process(self, message: Message) -> None:
        """Take from one message what the statistic needs; must not touch the database, files or the network.

        Called for every accepted message that `topics` does not leave out; again, on a new instance or an empty queue,
        for what did not commit. For a plugin that is `queued` it is called on the hub's thread, which must not wait;
        for any other on the flush's thread, just before `update`.

        :param message: read-only, and shared by all plugins
        :raises Exception: anything; it puts this message into the quarantine for this plugin alone
        """
        raise NotImplementedError(f"{type(self).__qualname__} defines no process(message)")

    def update(self, session: Session) -> None:
        """Write what was taken to the database.

        Called on the flush's thread about once a second, where there may be anything to write, in a savepoint of its
        own. It drains `queue` whole, and it need not commit: all plugins commit together. It may take as long as
        `statscache.plugin.budget` says, its SQL statements left out.

        :param session: bound to the flush's connection; the only way in which a plugin may write
        :raises Exception: anything; it undoes all that was written, and then the plugin gets parts of the same
            messages, until those that fail alone are in the quarantine
        """
        raise NotImplementedError(f"{type(self).__qualname__} defines no update(session)")

    def renamed(self, items: list[Any], pseudonyms: Pseudonyms) -> list[Any]:
        """Return items of the queue in which people who are forgotten have another name.

        Called just before `update`, on the same thread, while anybody is forgotten. The kinds of plugins do that for
        the keys that their models mark as a person. Others need it only for what they take from the body itself:
        `message.agent` and `message.usernames` name nobody who is forgotten.

        :param items: as `process` has put them; not to be changed
        :param pseudonyms: `of(name)` gives what is written instead of a name, `throughout(text)` a text without any
        """
        return items

    def latest(self, session: Session) -> datetime | None:
        """Return the greatest timestamp in the table, but nothing older than `backlog_delta`.

        statscache does not call this; it is here for plugins of statscache 0.0.4 that do.

        :return: an aware UTC datetime; None if the table is empty and there is no `backlog_delta`
        """
        newest: datetime | None = session.scalar(select(func.max(self.model.timestamp)))
        if self.backlog_delta is None:
            return newest
        oldest = datetime.now(UTC) - self.backlog_delta
        return oldest if newest is None else max(newest, oldest)

    def revert(self, when: datetime, session: Session) -> None:
        """Delete the rows with a timestamp of `when` or later.

        statscache does not call this; it is here for plugins of statscache 0.0.4 that do.

        :param when: local time if it is naive
        """
        session.execute(delete(self.model).where(self.model.timestamp >= when))


class Umbrella(BasePlugin):
    """A front for several plugins that share a name, a model and a description.

    The constructor of a subclass puts its parts, which are instances of plugins, into the list `_plugins`. statscache
    calls each part as a plugin of its own, ``<ident>/<part's ident>``, so that one part's trouble never reaches
    another.
    """

    def __init__(self, schedule: Schedule | None, config: Mapping[str, Any], model: Any = None) -> None:
        super().__init__(schedule, config, model)
        self._plugins: list[BasePlugin] = []

    @property
    def parts(self) -> tuple[BasePlugin, ...]:
        """The plugins behind this front."""
        return tuple(self._plugins)

    def process(self, message: Message) -> None:
        """Hand the message to every part.

        :raises ExceptionGroup: with what parts raised, after all have had the message
        """
        self._each("process", lambda part: part.process(message))

    def update(self, session: Session) -> None:
        """Update every part, each in a savepoint.

        :raises ExceptionGroup: with what parts raised, after all have been updated
        """

        def update(part: BasePlugin) -> None:
            with session.begin_nested():
                part.update(session)

        self._each("update", update)

    def _each(self, verb: str, call: Callable[[BasePlugin], None]) -> None:
        errors = []
        for part in self._plugins:
            try:
                call(part)
            except Exception as error:  # noqa: BLE001  every part gets its turn; all errors are raised below
                error.add_note(f"in {self.ident}/{part.ident}")
                errors.append(error)
        if errors:
            raise ExceptionGroup(f"parts of {self.ident} failed in {verb}", errors)
