"""Times as PostgreSQL has them: multiranges of whole seconds."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Double, bindparam, cast, extract, func
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE

from statscache.span import Span


def bounds(range_: Any) -> list[Any]:
    """Return where a range begins and ends, as columns in seconds since 1970."""
    return [cast(extract("epoch", end(range_)), BigInteger) for end in (func.lower, func.upper)]


def possible() -> Any:
    """Return all whole seconds that are over by one of the clocks; this machine's is given as `wall`."""
    return until(func.greatest(func.now(), given_instant("wall")))


def given_instant(name: str) -> Any:
    """Return an instant, of which the seconds since 1970 are given when the statement is executed."""
    return func.to_timestamp(bindparam(name, type_=Double))


def until(instant: Any) -> Any:
    """Return all whole seconds before an instant, as a multirange."""
    second = func.date_trunc("second", instant)
    return func.tstzmultirange(func.tstzrange(None, second), type_=TSTZMULTIRANGE)


def ranges(span: Span) -> Any:
    """Return the span as a multirange, which the driver cannot send by itself."""
    return between(func.to_timestamp(span.start), func.to_timestamp(span.stop))


def between(start: Any, stop: Any) -> Any:
    """Return the time between two instants as a multirange."""
    return func.tstzmultirange(func.tstzrange(start, stop), type_=TSTZMULTIRANGE)
