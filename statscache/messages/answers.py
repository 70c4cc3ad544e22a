"""What is taken of the answers and errors of other people's code that is asked whom a message names."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from statscache.errors import text_of


def names_in(result: Any) -> frozenset[str]:
    """The texts of a collection that are not empty; none where it is no collection."""
    if not isinstance(result, set | list | tuple | Set):  # one of Python's own is told sooner than any Set
        return frozenset()
    return frozenset([name for name in result if isinstance(name, str) and name])


def one_line_of(error: Exception) -> str:
    """The error in one line of 200 characters at most."""
    return f"{type(error).__name__}: {' '.join(text_of(error).split())}"[:200]
