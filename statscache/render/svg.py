"""Elements of SVG, in which any text is harmless."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import escape, quoteattr

#: What XML cannot hold, what moves a terminal's cursor, and what turns the direction of the text around it.
UNSHOWN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff\u2028\u2029]"
)
REPLACEMENT = "\ufffd"
#: So many characters of a key are shown.
LONGEST = 60


def shown(text: str, longest: int = LONGEST) -> str:
    """Return a text from the bus as it can be shown anywhere, cut to a length in characters."""
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return UNSHOWN.sub(REPLACEMENT, cut)


def tag(name: str, *children: str, **attributes: Any) -> str:
    """Return an element.

    :param children: elements, or texts that have been escaped
    :param attributes: `_` is for `-`, but at the end it only keeps apart from Python's words; None leaves one out
    """
    given = "".join(
        f" {key.rstrip('_').replace('_', '-')}={quoteattr(number(value))}"
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(children)
    return f"<{name}{given}>{inner}</{name}>" if inner else f"<{name}{given}/>"


def words(text: str) -> str:
    """Return a text to stand in an element."""
    return escape(UNSHOWN.sub(REPLACEMENT, text))


def number(value: str | float) -> str:
    """Return an attribute's value; numbers have at most two digits after the point."""
    if isinstance(value, str):
        return value
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def percent(share: float) -> str:
    """Return a share of a width, from 0 to 1, as SVG writes it."""
    return f"{number(100 * share)}%"


def path(runs: Iterable[Iterable[tuple[float, float]]]) -> str:
    """Return the data of a path that goes through the points of each run."""
    return "".join("M" + "L".join(f"{number(x)} {number(y)}" for x, y in run) for run in runs)
