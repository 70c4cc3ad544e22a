"""In which of some periods an instant lies, as an expression of SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, cast, false, func
from sqlalchemy.dialects.postgresql import TIMESTAMP

from statscache.query.periods import Period


def instant(second: int) -> datetime:
    """Return a second since 1970 as an instant."""
    return datetime.fromtimestamp(second, UTC)


def inside(time: Any, periods: Sequence[Period]) -> list[ColumnElement[bool]]:
    """Return the conditions for what lies in periods that follow each other, oldest first."""
    if not periods:
        return [false()]
    return [time >= instant(periods[0].start), time < instant(periods[-1].stop)]


def place_in(time: Any, periods: Sequence[Period]) -> ColumnElement[int]:
    """Return the number of the period in which an instant lies, of which the first is 0."""
    bounds = cast([instant(period.start) for period in periods], ARRAY(TIMESTAMP(timezone=True)))
    return func.width_bucket(time, bounds) - 1
