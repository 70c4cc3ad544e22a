"""What of its table a plugin's `update` has changed, for those who listen to `statscache.changes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

#: Where a session keeps it.
KEY = "statscache_changes"
#: The table's name, as `Table.fullname`, and from which second since 1970 on to before which one.
Bounds = Mapping[str, tuple[int, int]]


def note_change(session: Session, model: Any, seconds: Sequence[int], length: int = 1) -> None:
    """Note which windows of a model's table have been changed in a session.

    :param seconds: where they start, in seconds since 1970; at least one
    :param length: how long each is, in seconds
    """
    session.info.setdefault(KEY, {})[model.__table__.fullname] = (min(seconds), max(seconds) + length)


def noted_changes(session: Session) -> Bounds:
    """Return what has been noted, by table."""
    bounds: Bounds = session.info.get(KEY, {})
    return bounds
