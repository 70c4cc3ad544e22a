"""The latest states of things, by the layout that their plugin gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Connection, Text, cast, func, select, true

from statscache.query.tables import Served

#: So many things of a component are shown, the latest.
NEWEST = 6


@dataclass(frozen=True)
class State:
    """The latest state of a thing."""

    thing: str
    when: datetime
    message: Mapping[str, Any]

    def said(self, key: str) -> str:
        """Return a text of the state, empty if there is none."""
        value = self.message.get(key)
        return value if isinstance(value, str) else ""

    def link(self, key: str) -> str:
        """Return a link of the state, empty if there is none that is safe to follow."""
        value = self.said(key)
        return value if value.startswith(("https://", "http://")) else ""


@dataclass(frozen=True)
class Component:
    """The things of one category.

    :param options: how the layout wants them shown
    """

    name: str
    options: Mapping[str, Any]
    states: Sequence[State]


@dataclass(frozen=True)
class Group:
    """Components that belong together."""

    name: str
    components: Sequence[Component]


def read_board(connection: Connection, served: Served) -> list[Group]:
    """Return the latest states of a plugin that has a layout; what the layout says wrong is left out."""
    layout: Any = served.layout
    defaults = _mapping(_mapping(layout).get("default_options"))
    groups = [(_mapping(group), list(_components(group))) for group in _list(_mapping(layout).get("groups"))]
    idents = [component["id"] for _, components in groups for component in components]
    states = _states(connection, served, idents)
    return [
        Group(
            str(group.get("name", "")),
            [
                Component(str(its.get("name", its["id"])), {**defaults, **its}, states.get(its["id"], []))
                for its in components
            ],
        )
        for group, components in groups
    ]


def _components(group: Any) -> Iterator[Mapping[str, Any]]:
    for component in _list(_mapping(group).get("components")):
        if isinstance(_mapping(component).get("id"), str):
            yield component


def _states(connection: Connection, served: Served, categories: Sequence[str]) -> dict[str, list[State]]:
    """Return the latest states of each category, the newest first."""
    table = served.table
    wanted = select(func.unnest(cast(list(categories), ARRAY(Text))).label("category")).subquery("wanted")
    columns = table.c.category_constraint, table.c.timestamp, table.c.message
    each = (
        select(*columns)
        .where(table.c.category == wanted.c.category)
        .order_by(table.c.timestamp.desc(), table.c.category_constraint)
        .limit(NEWEST)
        .lateral("each")
    )
    found: dict[str, list[State]] = {}
    rows = select(wanted.c.category, *each.c).select_from(wanted.join(each, true()))
    for category, thing, when, message in connection.execute(rows):
        found.setdefault(category, []).append(State(thing, when, _mapping(message)))
    for states in found.values():
        states.sort(key=lambda state: state.when, reverse=True)
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()
