"""Where the present ends. What is dated later, by a clock that was wrong, must not head what is newest for good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from statscache.instants import LATEST

#: So far ahead of ours a clock may be, and its messages are still of the present.
AHEAD = timedelta(minutes=5)
HOUR = timedelta(hours=1)


def minute_of(now: datetime) -> int:
    """Return the minute since 1970, on which it depends whether what is latest is known to be so."""
    return int(now.timestamp()) // 60


def end_of_present(now: datetime) -> datetime:
    """Return the next whole hour that is more than `AHEAD` away: it stays the same for an hour."""
    if now > LATEST - AHEAD - HOUR:
        return LATEST
    later = now.astimezone(UTC) + AHEAD
    return later.replace(minute=0, second=0, microsecond=0) + HOUR
