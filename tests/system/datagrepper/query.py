"""What a request asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: The most rows of a page, and how many it has unless asked otherwise.
MOST, USUAL = 100, 25
#: How many seconds before its end a span starts that was given no start.
DELTA = 600.0
KNOWN = ("start", "end", "delta", "order", "page", "rows_per_page")
#: The filters that are echoed in an answer. The stand-in has none.
FILTERS = ("users", "packages", "categories", "topics")
UNUSED: dict[str, list[str]] = {
    name: [] for name in ("contains", "meta", *FILTERS, *(f"not_{name}" for name in FILTERS))
}


@dataclass(frozen=True)
class Query:
    """A page of a span; its bounds are epoch seconds, both inclusive, or None for all there is."""

    start: float | None
    end: float | None
    order: str
    page: int
    rows: int

    @classmethod
    def parse(cls, given: Mapping[str, str], now: float) -> Query:
        """Read the parameters of a URL.

        :raises ValueError: if one is not known or out of bounds
        """
        if unknown := given.keys() - set(KNOWN):
            raise ValueError(f"this stand-in has no parameter {min(unknown)}, only {', '.join(KNOWN)}")
        bounds = [_number(given, name) for name in ("start", "end", "delta")]
        page, rows = _count(given, "page", 1), _count(given, "rows_per_page", USUAL)
        query = cls(*_span(*bounds, now=now), given.get("order", "desc"), page, rows)
        if query.order not in ("asc", "desc"):
            raise ValueError(f"order must be asc or desc, not {query.order}")
        if query.rows > MOST:
            raise ValueError(f"rows_per_page must be at most {MOST}, not {query.rows}")
        return query

    def contains(self, instant: float) -> bool:
        """Return whether its span does, in epoch seconds."""
        return (self.start is None or self.start <= instant) and (self.end is None or instant <= self.end)

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments as an answer repeats them."""
        delta = None if self.start is None or self.end is None else self.end - self.start
        span = {"start": self.start, "end": self.end, "delta": delta}
        page = {"order": self.order, "page": self.page, "rows_per_page": self.rows}
        return {**UNUSED, **span, **page, "grouped": False}


def _span(
    start: float | None, end: float | None, delta: float | None, *, now: float
) -> tuple[float | None, float | None]:
    """Return both bounds, or neither, as the real one works them out."""
    if start is None and end is None and delta is None:
        return None, None
    if end is None:
        end = now if start is None or delta is None else start + delta
    return (end - (DELTA if delta is None else delta) if start is None else start), end


def _number(given: Mapping[str, str], name: str) -> float | None:
    if name not in given:
        return None
    try:
        number = float(given[name])
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a number of seconds, not {given[name]!r}")
    return number


def _count(given: Mapping[str, str], name: str, usual: int) -> int:
    text = given.get(name, str(usual))
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ValueError(f"{name} must be a whole number from 1 on, not {text!r}")
    return int(text)
