"""What is in the quarantine of tables that are counted again."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, insert, select

from statscache.history.recount.recount import inside, second_of
from statscache.history.recount.shadow import Shadow, shadow, shadow_table
from statscache.history.recount.targets import Target
from statscache.span import Span
from statscache.store import ledger
from statscache.store.quarantine_tables import Body, QuarantineRow


def quarantined_in(
    connection: Connection, target: Target, spans: Sequence[Span]
) -> dict[str, dict[str, int]]:
    """Return the seconds of the messages in the quarantine, by plugin and id.

    :param connection: in a transaction of `Shadow.beside`, as for all that takes one here
    """
    found: dict[str, dict[str, int]] = {plugin: {} for plugin in sorted(target.plugins)}
    query = select(QuarantineRow.plugin, QuarantineRow.msg_id, second_of(QuarantineRow.timestamp)).where(
        QuarantineRow.plugin.in_(target.plugins), inside(QuarantineRow.timestamp, spans)
    )
    for plugin, number, second in connection.execute(query):
        found[plugin][number] = second
    return found


def leave_out(beside: Shadow, quarantined: dict[str, dict[str, int]]) -> None:
    """Let messages not count for those plugins for which they are in the quarantine."""
    for plugin, its in quarantined.items():
        if its:
            with beside.own() as connection:
                ledger.enter(connection, its.keys(), list(its.values()), frozenset([plugin]))


def refused(connection: Connection, target: Target) -> int:
    """Return how many messages could not be counted again."""
    kept = shadow(QuarantineRow)
    query = select(func.count()).select_from(kept).where(kept.c.plugin.in_(target.plugins))
    return connection.scalar(query) or 0


def copy(connection: Connection, plugin: str, ids: list[str]) -> None:
    """Copy messages in the quarantine to the shadow's."""
    for model, chosen in (
        (Body, Body.msg_id.in_(ids)),
        (QuarantineRow, (QuarantineRow.plugin == plugin) & QuarantineRow.msg_id.in_(ids)),
    ):
        side = shadow(model)
        there = select(1).where(*(side.c[c.name] == c for c in model.__table__.primary_key)).exists()
        columns = list(model.__table__.columns)
        rows = select(*columns).where(chosen, ~there)
        connection.execute(insert(shadow_table(model)).from_select([c.name for c in columns], rows))
