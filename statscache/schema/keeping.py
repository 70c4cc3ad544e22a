"""How long the rows of plugins' tables are kept, as the settings and the authors of plugins say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Table

from statscache.hosting.loader import Part
from statscache.schema.tables import table_of


@dataclass(frozen=True)
class Wish:
    """How long a plugin's rows are kept.

    :param named: whether somebody has said so of this very plugin, so that they may go though nothing else has them
    """

    keep: timedelta
    named: bool


def parts_by_table(parts: Iterable[Part]) -> dict[Table, list[Part]]:
    """Return the plugins that write the figures of each table."""
    groups: defaultdict[Table, list[Part]] = defaultdict(list)
    for part in parts:
        if (table := table_of(part)) is not None:
            groups[table].append(part)
    return dict(groups)


def wish_for(parts: Iterable[Part], keep: Mapping[str, timedelta]) -> Wish | None:
    """Return how long rows are kept that several plugins write: as long as any of them says; None for ever."""
    wishes = [_wish_of(part, keep) for part in parts]
    given = [wish for wish in wishes if wish is not None]
    if len(given) < len(wishes):
        return None
    return Wish(max(wish.keep for wish in given), all(wish.named for wish in given))


def _wish_of(part: Part, keep: Mapping[str, timedelta]) -> Wish | None:
    """Return how long a plugin's rows are kept: by its ident, else by the length of its windows, else by its author."""
    own = part.plugin.keep
    for ident in idents_of(part):
        if ident in keep:
            return Wish(keep[ident], named=True)
    if (by_length := keep.get(str(part.plugin.schedule))) is not None:
        return Wish(by_length, named=own is not None and own <= by_length)
    return None if own is None else Wish(own, named=True)


def idents_of(part: Part) -> list[str]:
    """Return the idents by which a plugin can be named: its own, and that of the front that it is a part of."""
    return list(dict.fromkeys([part.ident, part.ident.partition("/")[0]]))
