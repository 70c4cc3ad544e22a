"""The page of the latest states, such as release engineering's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from statscache.query.board import Component, State, read_board
from statscache.query.completeness import Completeness, read_completeness
from statscache.query.tables import Served
from statscache.web.page.reader import Reader
from statscache.web.page.templating import rendered

#: States older than this are shown quietly, unless the layout says otherwise.
OLD = timedelta(hours=24)
#: How a status is shown, by the classes that layouts have used since 2014.
TONES = {"text-danger": "bad", "text-warning": "busy", "text-primary": "good", "text-success": "good"}
#: Of so much time it is said whether every message of it counts.
RECENT = timedelta(days=1)


def made_board(reader: Reader, served: Served, connection: Connection, now: datetime) -> bytes:
    """Return the page."""
    groups = read_board(connection, served)
    stop = int(now.timestamp()) - 30
    start = stop - int(RECENT.total_seconds())
    known = read_completeness(connection, [served.table.fullname], start, stop)
    return rendered(
        "board.html",
        reader,
        served=served,
        groups=groups,
        whole=known.covers(start, stop),
        through=_through(known),
        status=status,
        tone=tone,
        is_old=lambda state: now - state.when > old_after(served),
        made=now,
    )


def _through(known: Completeness) -> datetime | None:
    """Return the end of the last time of which all is known."""
    return datetime.fromtimestamp(known.spans[-1].stop, UTC) if known.spans else None


def old_after(served: Served) -> timedelta:
    """Return after how long a state is old, as the layout says."""
    layout: Any = served.layout
    options = layout.get("default_options") if isinstance(layout, dict) else None
    threshold = options.get("old_log_threshold") if isinstance(options, dict) else None
    try:
        return timedelta(**{threshold["key"]: float(threshold["value"])})  # type: ignore[index]  # what is no dict raises
    except (TypeError, KeyError, ValueError, OverflowError):
        return OLD


def status(component: Component, state: State) -> str:
    """Return what a status is called."""
    told = state.said("status")
    verbs = component.options.get("status_verb_map")
    verb = verbs.get(told, told) if isinstance(verbs, dict) else told
    return verb if isinstance(verb, str) else told


def tone(component: Component, state: State) -> str:
    """Return how a status is shown: as bad, busy, good or plain."""
    classes = component.options.get("status_class_map")
    told = state.said("status")
    its = classes.get(told, classes.get(status(component, state))) if isinstance(classes, dict) else None
    return TONES.get(its, "plain") if isinstance(its, str) else "plain"
