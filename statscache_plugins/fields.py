"""What is in a message, any of which may be missing or something else."""

from __future__ import annotations

from typing import Any


def at(value: Any, *path: str) -> Any:
    """Return what is at a path of keys, None for nothing."""
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def text_at(value: Any, *path: str) -> str | None:
    """Return the text at a path of keys, None unless there is one that is not empty."""
    found = at(value, *path)
    return found if isinstance(found, str) and found else None


def number_at(value: Any, *path: str) -> int | None:
    """Return the whole number at a path of keys, None unless there is one."""
    found = at(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None
