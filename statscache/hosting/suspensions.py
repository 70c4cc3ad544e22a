"""The plugins that are left alone for a while: their messages go to the quarantine and count later."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, Integer, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, mapped_column

from statscache.component import Backoff
from statscache.database.trouble import first_line
from statscache.instants import write_instant
from statscache.messages.pseudonyms import Pseudonyms
from statscache.plugins import Base
from statscache.store.failure import ERROR, printable

log = logging.getLogger(__name__)

#: The first suspension of a plugin; each one that follows is twice as long, up to a bound.
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(hours=6)
#: The same where the plugin hung, since trying it again costs all others a while.
SHORTEST_HUNG, LONGEST_HUNG = timedelta(hours=1), timedelta(days=1)
#: After so many suspensions, one that hung again is suspended until somebody retries its quarantine.
HANGS = 5
#: A plugin that was last suspended longer ago than this starts afresh.
MEMORY = timedelta(days=7)
NEVER = datetime(9999, 12, 31, tzinfo=UTC)


class SuspensionRow(Base):
    """A plugin that is or was left alone."""

    __tablename__ = "statscache_suspension"
    __table_args__ = ({"comment": "Plugins that are suspended or were lately, and why"},)

    plugin: Mapped[str] = mapped_column(primary_key=True, comment="the plugin's identifier")
    since: Mapped[datetime] = mapped_column(comment="when it was last suspended")
    until: Mapped[datetime] = mapped_column(
        comment="when it is tried again (9999: only by hand); the same as since, once it works"
    )
    times: Mapped[int] = mapped_column(Integer, comment="how often in a row it has been suspended")
    reason: Mapped[str] = mapped_column(comment="why")


@dataclass(frozen=True)
class Suspension:
    """Since and until when a plugin is left alone, how often in a row it has been by now, and why."""

    since: datetime
    until: datetime
    times: int
    reason: str

    def seconds_left(self, now: datetime) -> float:
        """Return for how long it lasts: if the clock was set back meanwhile, for no longer than it was to last."""
        return min(self.until - now, self.until - self.since).total_seconds()


class Suspensions:
    """Which plugins are suspended. What counts is kept here; the table is for the next start, and for people.

    :param clock: gives the present as an aware UTC datetime
    :param monotonic: gives seconds, and never goes back
    :param pseudonyms: what is written instead of names in reasons; None for nothing
    """

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        pseudonyms: Pseudonyms | None = None,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._monotonic = monotonic
        self._pseudonyms = pseudonyms or Pseudonyms()
        self._found: dict[str, Suspension] = {}
        # When each ends on the monotonic clock: the other can be set while it lasts.
        self._ends: dict[str, float] = {}
        self._unstored: set[str] = set()
        # Those that only this process leaves alone, until it ends: of them nothing is stored.
        self._left_out: dict[str, Suspension] = {}

    def refresh(self) -> None:
        """Bring this and the table together: another process may have ended a suspension."""
        for plugin in tuple(self._unstored):
            self._store(plugin)
        if not self._unstored:
            self.load()

    def load(self) -> None:
        """Read the table."""
        columns = [getattr(SuspensionRow, name) for name in ("plugin", "since", "until", "times", "reason")]
        with self._engine.connect() as connection:
            rows = connection.execute(select(*columns))
            found = {plugin: Suspension(*rest) for plugin, *rest in rows}
        self._found = {plugin: its for plugin, its in self._found.items() if plugin in found}
        for plugin, its in found.items():
            self._keep(plugin, its)

    def holds(self, plugin: str) -> bool:
        """Return whether the plugin is to be left alone now."""
        if plugin in self._left_out:
            return True
        return plugin in self._found and self._monotonic() < self._ends[plugin]

    @property
    def present(self) -> dict[str, Suspension]:
        """The plugins that are to be left alone now."""
        found = {plugin: its for plugin, its in tuple(self._found.items()) if self.holds(plugin)}
        return {**found, **self._left_out}

    def unproven(self, plugin: str) -> bool:
        """Return whether the plugin was suspended and has not worked since."""
        found = self._found.get(plugin)
        return found is not None and found.until > found.since

    def suspend(self, plugin: str, reason: str, hung: bool = False) -> None:
        """Leave the plugin alone from now on, for twice as long as the last time."""
        now, before, reason = self._clock(), self._found.get(plugin), self._pseudonyms.throughout(reason)
        times = before.times + 1 if before and now - before.since < MEMORY else 1
        self._keep(plugin, Suspension(now, _until(now, times, hung), times, printable(reason, ERROR)))
        log.error(
            "%s is suspended until %s; its messages go to the quarantine: %s",
            plugin,
            write_instant(self._found[plugin].until),
            reason,
        )
        self._store(plugin)

    def leave_out(self, plugin: str, reason: str) -> None:
        """Leave the plugin alone until this process ends: others may run it meanwhile."""
        if plugin not in self._left_out:
            log.error(
                "%s is left alone by this process; its messages go to the quarantine: %s", plugin, reason
            )
            self._left_out[plugin] = Suspension(self._clock(), NEVER, 1, reason)

    def lift(self, plugin: str) -> None:
        """End the suspension of a plugin that has worked again."""
        if self.unproven(plugin):
            log.warning("%s works again", plugin)
            self._keep(plugin, replace(self._found[plugin], until=self._found[plugin].since))
            self._store(plugin, "until")

    def _keep(self, plugin: str, found: Suspension) -> None:
        """Keep what is found of a plugin. How long it lasts is seen but once."""
        if self._found.get(plugin) != found:
            self._ends[plugin] = self._monotonic() + found.seconds_left(self._clock())
            self._found[plugin] = found

    def _store(self, plugin: str, *changed: str) -> None:
        """Write what is found of a plugin.

        :param changed: the columns to be written if it has a row; none for all
        """
        row = asdict(self._found[plugin])
        row["reason"] = self._pseudonyms.throughout(row["reason"])
        new = {name: row[name] for name in changed or row}
        statement = insert(SuspensionRow).values(plugin=plugin, **row)
        try:
            with self._engine.begin() as connection:
                connection.execute(statement.on_conflict_do_update(index_elements=["plugin"], set_=new))
        except DBAPIError as error:
            self._unstored.add(plugin)
            log.error("the suspension of %s could not be stored: %s", plugin, first_line(error))
        else:
            self._unstored.discard(plugin)


def _until(now: datetime, times: int, hung: bool) -> datetime:
    if hung and times > HANGS:
        return NEVER
    shortest, longest = (SHORTEST_HUNG, LONGEST_HUNG) if hung else (SHORTEST, LONGEST)
    return now + Backoff(shortest, longest).pause(times)
