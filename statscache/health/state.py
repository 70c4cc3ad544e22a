"""The state of the daemon and its database, as those who look have found it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

#: The states of the whole, which as exit codes are their positions.
STATES = ("fine", "degraded", "not working")


@dataclass
class PluginStatus:
    """The state of one plugin.

    :param until: until when it has counted in full
    :param processed: how many messages since the daemon's start; None if that cannot be asked
    :param suspended: why, if it is
    """

    plugin: str
    last_flush: datetime | None = None
    until: datetime | None = None
    gaps: int = 0
    gap_seconds: float = 0.0
    quarantined: int = 0
    last_failure: datetime | None = None
    processed: float | None = None
    failed: float | None = None
    suspended: str = ""


@dataclass
class Status:
    """The state of everything. What could not be found out is None.

    :param daemon: where it was asked, empty if it has no health endpoints
    :param answers: whether it did
    :param delay: how long it took, in seconds, until the last message was written
    :param queue: how many messages wait for the next flush
    :param waiting: how many messages wait in each queue of the broker, a sentence for each
    :param spool: how many bytes are accepted and not written
    :param standby: what another daemon consumes, for which this one stands by, a sentence for each
    :param removed: what somebody has removed by hand, a sentence for each table
    :param upgrades: the ids of the revisions of the tables that wait for `statscache upgrade`
    :param staying: what is kept though it is older than `statscache.keep` says, and why, a sentence for each table
    """

    status: str = STATES[0]
    causes: list[str] = field(default_factory=list)
    daemon: str = ""
    answers: bool = False
    standby: list[str] = field(default_factory=list)
    last_flush: datetime | None = None
    delay: float | None = None
    queue: float | None = None
    waiting: list[str] = field(default_factory=list)
    spool: float | None = None
    gaps: int | None = None
    gap_seconds: float | None = None
    quarantined: int | None = None
    ledger_rows: int | None = None
    ledger_bytes: int | None = None
    removed: list[str] = field(default_factory=list)
    upgrades: list[str] = field(default_factory=list)
    staying: list[str] = field(default_factory=list)
    plugins: list[PluginStatus] = field(default_factory=list)

    def blame(self, level: int, cause: str) -> None:
        """Note a cause of trouble.

        :param level: how bad that is, as a position in `STATES`
        """
        self.status = STATES[max(level, self.code)]
        self.causes.append(cause)

    @property
    def code(self) -> int:
        """The exit code."""
        return STATES.index(self.status)

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        return asdict(self)
