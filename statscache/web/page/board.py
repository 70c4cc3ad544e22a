"""The page of the latest states, such as release engineering's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from statscache.instants import END_OF_TIME, write_instant
from statscache.query.board import Component, Group, State, read_board
from statscache.query.completeness import Completeness, in_a_cell, read_completeness, versions_of
from statscache.query.extents import TOO_YOUNG, extent_of_state
from statscache.query.tables import Served
from statscache.render.files import csv_of, json_of
from statscache.render.versions import counted, in_a_sentence
from statscache.span import Span
from statscache.web.page.reader import Reader
from statscache.web.page.templating import rendered

#: States older than this are shown quietly, unless the layout says otherwise.
OLD = timedelta(hours=24)
#: How a status is shown, by the classes that layouts have used since 2014.
TONES = {"text-danger": "bad", "text-warning": "busy", "text-primary": "good", "text-success": "good"}
#: What a file says of each state.
COLUMNS = (
    "group",
    "component",
    "category",
    "thing",
    "timestamp",
    "status",
    "name",
    "link",
    "extra_text",
    "extra_link",
    "complete",
    "versions",
)
#: Of so much time it is said whether every message of it counts.
RECENT = timedelta(days=1)


def made_board(
    reader: Reader, served: Served, connection: Connection, now: datetime, ending: str = ""
) -> bytes:
    """Return the page or a file.

    :param ending: csv or json; empty for the page
    """
    before = _known(connection, served)
    groups = read_board(connection, served)
    known = _known(connection, served)
    board = Board(served, groups, (before, known), now)
    start, stop = extent_of_state(now - RECENT, now)
    whole, through = known.covers(start, stop), _through(known.within(start, int(now.timestamp())))
    if ending == "csv":
        return csv_of(
            COLUMNS, ({**row, "versions": in_a_cell(row["versions"])} for row in _rows(board))
        ).encode()
    if ending == "json":
        return json_of(_as_dict(board, whole, through)).encode()
    return rendered(
        "board.html",
        reader,
        board=board,
        served=served,
        groups=groups,
        whole=whole,
        through=through,
        status=status,
        tone=tone,
        counted=counted,
        counted_sentence=in_a_sentence,
        is_old=lambda state: now - state.when > old_after(served),
        made=now,
    )


def _known(connection: Connection, served: Served) -> Completeness:
    return read_completeness(connection, [served.table.fullname], 0, END_OF_TIME)


@dataclass(frozen=True)
class Board:
    """The latest states, and what is known of the table that has them.

    :param known: before they were read, and after that
    """

    served: Served
    groups: Sequence[Group]
    known: Sequence[Completeness]
    now: datetime

    def is_complete(self, state: State) -> bool:
        """Return whether no message is missing that could have changed a state."""
        extent = extent_of_state(state.when, self.now)
        return all(each.covers(*extent) for each in self.known)

    def may_be_older(self, state: State) -> bool:
        """Return whether a state may be older than what happened, and that not only since it is so young."""
        return not self.is_complete(state) and state.when < self.now - TOO_YOUNG

    def versions(self, state: State) -> tuple[int, ...]:
        """Return the versions of the plugin that have counted what was said when a state was announced, or may have."""
        second, _ = extent_of_state(state.when, self.now)
        return versions_of(self.known, second, second + 1)

    @property
    def versions_worth_saying(self) -> list[int]:
        """Those of all states, if there is another among them than that which is installed."""
        found = {its for state in _states(self.groups) for its in self.versions(state)}
        return sorted(found) if found - {self.served.plugin.version} else []


def _rows(board: Board) -> Iterator[dict[str, Any]]:
    """Yield what a file says of each state."""
    for group in board.groups:
        for component in group.components:
            for state in component.states:
                row = {"group": group.name, "component": component.name, **_state(component, state)}
                yield {**row, "complete": board.is_complete(state), "versions": board.versions(state)}


def _state(component: Component, state: State) -> dict[str, object]:
    texts = {name: state.said(name) for name in ("name", "extra_text")}
    links = {name: state.link(name) for name in ("link", "extra_link")}
    its = {"category": component.options["id"], "thing": state.thing, "timestamp": write_instant(state.when)}
    return {**its, "status": status(component, state), **texts, **links}


def _as_dict(board: Board, whole: bool, through: datetime | None) -> dict[str, object]:
    served = board.served
    return {
        "board": served.ident,
        "summary": served.plugin.summary,
        "table": served.table.fullname,
        "complete": whole,
        "complete_through": None if through is None else write_instant(through),
        "states": [
            {**row, "message": state.message}
            for row, state in zip(_rows(board), _states(board.groups), strict=True)
        ],
    }


def _states(groups: Sequence[Group]) -> Iterator[State]:
    return (state for group in groups for component in group.components for state in component.states)


def _through(complete: Sequence[Span]) -> datetime | None:
    """Return the end of the last time of which all is known."""
    return datetime.fromtimestamp(complete[-1].stop, UTC) if complete else None


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
