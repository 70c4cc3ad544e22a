"""JSON, CSV and JSON-P, and which of them a client gets."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

from statscache.query.columns import Column
from statscache.render.exact_json import exact_json
from statscache.web.errors import Refusal

JSON = "application/json"
CSV = "text/csv"
#: By the endings of paths and the values of `format`.
FORMATS = {"json": JSON, "csv": CSV}
SCRIPTS = ("application/javascript", "text/javascript")
_RANGE = re.compile(r"\s*([\w!#$&^.+-]+|\*)/([\w!#$&^.+-]+|\*)\s*((?:;[^;]*)*)")


def negotiate(accept: str, callback: str | None, offers: Sequence[str]) -> str:
    """Return the type of the answer.

    :param accept: the Accept header, empty if there is none
    :param callback: the function of JSON-P, if one is asked for
    :param offers: the types that there are beside JSON-P, the preferred one first
    :raises Refusal: if the client accepts none of them
    """
    ranges = list(_ranges(accept)) or [("*", "*", 1.0)]
    there: list[str] = [*(SCRIPTS if callback else ()), *offers]
    best = max(there, key=lambda offer: _quality(offer, ranges))
    if _quality(best, ranges) <= 0:
        scripts = "" if callback else f" and, with a callback, {SCRIPTS[0]}"
        raise Refusal(406, f"Accept must name an available type: {', '.join(there)}{scripts}")
    return best


def _ranges(accept: str) -> Iterable[tuple[str, str, float]]:
    for part in accept.split(","):
        match = _RANGE.fullmatch(part)
        if match:
            quality = re.search(r";\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*(?:;|$)", match[3], re.IGNORECASE)
            yield match[1].lower(), match[2].lower(), min(1.0, float(quality[1])) if quality else 1.0


def _quality(offer: str, ranges: Iterable[tuple[str, str, float]]) -> float:
    """Return how much a type is wanted, by the range that fits it most closely."""
    kind, subtype = offer.split("/")
    fits = [
        ((main != "*") + (sub != "*"), quality)
        for main, sub, quality in ranges
        if main in (kind, "*") and sub in (subtype, "*")
    ]
    return max(fits)[1] if fits else 0.0


def dumps(value: Any) -> str:
    """Return a value as JSON in ASCII, which may also stand in a script; a Decimal is a number with all its digits."""
    return exact_json(value, separators=(",", ":"), allow_nan=False)


def rendered(value: Any, media: str, callback: str | None) -> bytes:
    """Return a value as JSON or JSON-P."""
    text = dumps(value)
    return (f"{callback}({text});" if media in SCRIPTS else text).encode()


def rendered_rows(columns: Sequence[Column], rows: Iterable[Any], media: str, callback: str | None) -> bytes:
    """Return rows as JSON, JSON-P or CSV."""
    if media == CSV:
        return as_csv([column.name for column in columns], (_csv_cells(columns, row) for row in rows))
    converters = [(column.name, column.kind.to_json) for column in columns]
    found = [
        {
            name: None if cell is None else convert(cell)
            for (name, convert), cell in zip(converters, row, strict=False)
        }
        for row in rows
    ]
    return rendered(found, media, callback)


def _csv_cells(columns: Sequence[Column], row: Any) -> list[Any]:
    cells = zip(columns, row, strict=False)
    return ["" if cell is None else column.kind.to_csv(cell) for column, cell in cells]


def as_csv(titles: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Return CSV as RFC 4180 has it, with a line of titles."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(titles)
    writer.writerows(rows)
    return file.getvalue().encode()


def content_type(media: str) -> str:
    """Return the Content-Type of an answer."""
    return (
        media if media == JSON else f"{media}; charset=utf-8" + ("; header=present" if media == CSV else "")
    )
