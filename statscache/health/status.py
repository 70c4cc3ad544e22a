"""Finds out the state of the daemon and its database, from outside."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import DBAPIError

from statscache.counting.flusher import UPKEEP
from statscache.database.clock import began
from statscache.database.engine import open_database
from statscache.database.trouble import NO_TABLE, first_line, state_of
from statscache.errors import Unusable
from statscache.health.checks import RECENT
from statscache.health.client import DaemonReport, ask
from statscache.health.state import PluginStatus, Status
from statscache.hosting.loader import Part
from statscache.hosting.suspensions import SuspensionRow
from statscache.schema.migrations.tree import waiting
from statscache.settings import Settings
from statscache.store.inventory import Inventory, take_inventory
from statscache.store.positions import DatabaseRow
from statscache.upkeep.retention.outlook import outlooks
from statscache.upkeep.retention.tables import Retained, retained

#: How long in seconds the database may take to let us in, and to answer.
PATIENCE = 3
#: What lacks at the newest end of complete time for less than so many seconds is no gap: it is about to be written.
HEAD = 60.0
#: A daemon that was not seen to write for so many seconds more than it should is not there.
LATE = 20.0


def look(settings: Settings, plugins: Sequence[str], parts: Sequence[Part] = ()) -> Status:
    """Ask the daemon and the database.

    :param plugins: the idents of those that should run
    :param parts: those of whose tables it is asked what is kept for longer than it should be
    """
    status = Status(daemon=settings.monitoring_address, plugins=[PluginStatus(plugin) for plugin in plugins])
    answer = _ask_daemon(settings)
    reached = _ask_database(settings, status, retained(parts, settings.keep))
    if isinstance(answer, DaemonReport) and answer.is_of_another(reached.id):
        answer = f"the daemon there writes to another database than that of {settings.uri_name}"
    _take_answer(settings, status, answer)
    if reached.trouble:
        status.blame(2, reached.trouble)
    if isinstance(answer, DaemonReport):
        _add_measures(status, answer)
    else:
        status.spool = spooled(settings)
        if reached.id is not None:
            _judge(settings, status, datetime.fromtimestamp(reached.now, UTC))
    return status


def spooled(settings: Settings) -> float | None:
    """Return how many bytes all spools hold; None where this user cannot see that."""
    try:
        directories = list(settings.spools.iterdir())
        files = [
            path for directory in directories for spool in directory.iterdir() for path in spool.iterdir()
        ]
        return float(sum(path.stat().st_size for path in files if path.suffix == ".spool"))
    except (OSError, Unusable):
        return None


def _judge(settings: Settings, status: Status, now: datetime) -> None:
    """Note what the database alone tells of the daemon and its plugins.

    :param now: the time by the database's clock, as all the others
    """
    silent = (now - status.last_flush).total_seconds() if status.last_flush else math.inf
    if not status.daemon and silent > settings.frequency + UPKEEP + LATE:
        since = f"for {silent:.0f} s" if status.last_flush else "at all"
        status.blame(2, f"no daemon has written {since}: is fedmsg-hub or statscache consume running?")
    for plugin in status.plugins:
        failed = (now - plugin.last_failure).total_seconds() if plugin.last_failure else math.inf
        if plugin.suspended:
            status.blame(1, f"{plugin.plugin} has been suspended: {plugin.suspended}")
        elif failed < RECENT:
            status.blame(1, f"{plugin.plugin} fails, the last time {failed:.0f} s ago")


def _ask_daemon(settings: Settings) -> DaemonReport | str:
    """Return what the daemon reports, or why it does not."""
    if not settings.monitoring_address:
        return ""
    try:
        return ask(settings.monitoring_address)
    except OSError as error:
        reason = getattr(error, "reason", error)
        return str(getattr(reason, "strerror", None) or reason)


def _take_answer(settings: Settings, status: Status, answer: DaemonReport | str) -> None:
    """Take over what the daemon said of itself, or why nothing is known from it."""
    if isinstance(answer, DaemonReport):
        status.answers, status.standby = True, list(answer.standby)
        for cause in answer.causes:
            status.blame(2 if answer.status == "not ready" else 1, cause)
    elif answer:
        status.blame(
            2,
            f"no daemon answers at {settings.monitoring_address} ({answer}): "
            "is fedmsg-hub or statscache consume running?",
        )


@dataclass(frozen=True)
class Reached:
    """What a database says of itself.

    :param id: None if it does not answer, empty if no daemon ever ran on it
    :param now: the time by its clock, in seconds since 1970
    :param trouble: why it does not answer
    """

    id: str | None
    now: float = 0.0
    trouble: str = ""


def _ask_database(settings: Settings, status: Status, tables: Sequence[Retained]) -> Reached:
    """Take over what the database holds."""
    try:
        engine = open_database(replace(settings, database_wait=0.0), PATIENCE)
        with engine.connect() as connection:
            connection.execute(text(f"SET LOCAL statement_timeout = '{PATIENCE}s'"))
            now = began(connection)
            stop = min(time.time(), now) - settings.lateness - HEAD
            inventory = take_inventory(connection, [plugin.plugin for plugin in status.plugins], stop)
            _take_over(status, inventory, _suspended(connection))
            status.upgrades = waiting(connection)
            status.staying = [str(its) for its in outlooks(connection, tables) if its.staying]
            return Reached(connection.scalar(select(DatabaseRow.id)) or "", now)
    except Unusable as error:
        return Reached(None, trouble=str(error))
    except DBAPIError as error:
        if state_of(error) == NO_TABLE:
            return Reached(None, trouble=f"no daemon has run on the database of {settings.uri_name} yet")
        return Reached(None, trouble=f"the database of {settings.uri_name} failed: {first_line(error)}")


def _suspended(connection: Connection) -> dict[str, str]:
    lasts = SuspensionRow.until > func.greatest(func.now(), SuspensionRow.since)
    query = select(SuspensionRow.plugin, SuspensionRow.reason).where(lasts)
    return dict(connection.execute(query).all())


def _take_over(status: Status, inventory: Inventory, suspended: Mapping[str, str]) -> None:
    """Take over what the database holds."""
    for plugin in status.plugins:
        plugin.suspended = suspended.get(plugin.plugin, "")
        if found := inventory.plugins.get(plugin.plugin):
            plugin.last_flush, plugin.until, plugin.quarantined = (
                found.updated,
                found.until,
                found.quarantined,
            )
            plugin.gaps, plugin.gap_seconds = found.gaps, found.gap_seconds
            plugin.last_failure = found.failed
    status.last_flush = max((p.last_flush for p in status.plugins if p.last_flush), default=None)
    status.quarantined = sum(plugin.quarantined for plugin in status.plugins)
    status.gaps = max((plugin.gaps for plugin in status.plugins), default=0)
    status.gap_seconds = max((plugin.gap_seconds for plugin in status.plugins), default=0.0)
    status.ledger_rows, status.ledger_bytes = inventory.ledger_rows, inventory.ledger_bytes
    status.removed = [str(removal) for removal in inventory.removals]


def _add_measures(status: Status, answer: DaemonReport) -> None:
    """Take over what the daemon tells."""
    status.delay = answer.get("statscache_last_delay_seconds")
    status.queue = answer.get("statscache_queue_messages")
    status.waiting = list(answer.waiting)
    status.spool = answer.get("statscache_spool_bytes")
    for plugin in status.plugins:
        plugin.processed = answer.get("statscache_plugin_processed_total", plugin.plugin)
        plugin.failed = answer.get("statscache_plugin_failed_total", plugin.plugin)
