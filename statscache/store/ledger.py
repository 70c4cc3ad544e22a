"""The messages counted lately, and by which plugins: what makes counting twice impossible.

What takes a connection is called with one that holds the lock of `statscache.database.lock`, alone or shared. Where it
is shared, others may enter the same messages meanwhile: whoever comes second waits for the first to commit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Connection,
    Double,
    Engine,
    Identity,
    Index,
    Integer,
    Subquery,
    Text,
    bindparam,
    cast,
    delete,
    exists,
    extract,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSTZMULTIRANGE, Insert, insert
from sqlalchemy.orm import Mapped, mapped_column

from statscache.database.arrays import array_of_numbers, array_of_texts, column_named, given_ids
from statscache.database.lock import counting, must_be_alone
from statscache.plugins import Base
from statscache.store.canonical_ids import IS_CANONICAL
from statscache.store.coverage import CoverageRow
from statscache.store.kept_back_table import KeptRow
from statscache.store.lost_sets import find_again
from statscache.store.not_kept import not_needed

#: The constraint by which each flush of an earlier version fails, which knows messages by other ids and would count
#: them again. Its log says the name.
CANONICAL_IDS = "statscache_ledger_ids_are_canonical_upgrade_this_daemon"
#: Whether the ledger has that constraint.
HAS_CANONICAL_IDS = (
    "EXISTS (SELECT FROM pg_constraint "
    f"WHERE conrelid = to_regclass('statscache_ledger') AND conname = '{CANONICAL_IDS}')"
)
#: Whether a row was there before the present transaction.
OLDER = text("statscache_ledger.xmin <> pg_current_xact_id()::xid")
#: So many rows at most are pruned in one statement.
PRUNED = 10_000


class PluginSet(Base):
    """Plugins that have counted the same messages."""

    __tablename__ = "statscache_plugin_set"
    __table_args__ = ({"comment": "Sets of plugins, as the ledger names them"},)

    id: Mapped[int] = mapped_column(Integer, Identity(), primary_key=True, comment="a number for the set")
    plugins: Mapped[list[str]] = mapped_column(
        ARRAY(Text), unique=True, comment="the plugins' identifiers, sorted"
    )


class LedgerRow(Base):
    """A message that was counted."""

    __tablename__ = "statscache_ledger"
    __table_args__ = (
        CheckConstraint(IS_CANONICAL, name=CANONICAL_IDS),
        # Rows are written and pruned in the order of this column, for which the smallest of indexes is enough.
        Index(
            "statscache_ledger_counted_at",
            "counted_at",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": True},
        ),
        {
            "comment": "The messages counted lately; what is in here is never counted again by the same plugins"
        },
    )

    msg_id: Mapped[str] = mapped_column(
        primary_key=True,
        comment="the message's canonical id, or a hash of its content where it has no usable one",
    )
    # No foreign key: to check it would cost as much as all the rest of writing a row.
    plugin_set: Mapped[int] = mapped_column(
        Integer, comment="the plugins that have counted or quarantined it: an id of statscache_plugin_set"
    )
    counted_at: Mapped[datetime] = mapped_column(comment="when it was first counted")
    timestamp: Mapped[datetime] = mapped_column(comment="the message's time, cut to seconds")


def enter(
    connection: Connection,
    ids: Collection[str],
    seconds: Collection[int],
    plugins: frozenset[str],
    remember: bool = True,
) -> Mapping[str, frozenset[str]]:
    """Note that these plugins have all of these messages, and return which of them some plugin had before.

    :param ids: the messages' ids, each once
    :param seconds: their timestamps, cut to seconds since 1970, in the same order
    :param remember: False for messages so old that coverage tells they were counted; these are not added
    :return: for each message that was in the ledger, those of the plugins that it was not yet counted by
    """
    if remember and _insert(connection, ids, seconds, plugins) == len(ids):
        return {}
    known = _known(connection, ids)
    sets = plugins_of(connection, set(known.values()))
    if lost := set(known.values()) - set(sets):
        must_be_alone(connection, "rows of statscache_plugin_set are gone")
        known = find_again(connection, known, lost, set_of)
        sets = plugins_of(connection, set(known.values()))
    if narrow := [id for id, number in known.items() if not plugins <= sets[number]]:
        _lock(connection, narrow)
        known |= _known(connection, narrow)
        sets = plugins_of(connection, set(known.values()))
        _widen(connection, known, sets, plugins)
    return {id: plugins - sets[number] for id, number in known.items()}


def _insert(
    connection: Connection, ids: Collection[str], seconds: Collection[int], plugins: frozenset[str]
) -> int:
    """Insert those of the messages that are new, in the order of their ids, and return how many."""
    in_order = sorted(zip(ids, seconds, strict=True))
    given = {
        "ids": array_of_texts(id for id, _ in in_order),
        "seconds": array_of_numbers(second for _, second in in_order),
        "plugins": sorted(plugins),
    }
    if inserted := connection.execute(_insertion(), given).rowcount:
        return inserted
    set_of(connection, plugins)  # it may have been missing
    return connection.execute(_insertion(), given).rowcount


@cache
def _insertion() -> Insert:
    """Return what inserts messages that are new, where there is the set of their plugins; it takes a while to make."""
    times = func.to_timestamp(column_named("seconds", Double))
    rows = select(column_named("ids", Text), PluginSet.id, func.now(), times)
    rows = rows.where(PluginSet.plugins == bindparam("plugins", type_=ARRAY(Text)))
    columns = ["msg_id", "plugin_set", "counted_at", "timestamp"]
    return insert(LedgerRow).from_select(columns, rows).on_conflict_do_nothing()


def _known(connection: Connection, ids: Collection[str]) -> dict[str, int]:
    """Return the sets of those messages that were there before this transaction."""
    given = given_ids(ids)
    found = (
        select(LedgerRow.msg_id, LedgerRow.plugin_set)
        .join(given, given.c.msg_id == LedgerRow.msg_id)
        .where(OLDER)
    )
    return {row.msg_id: row.plugin_set for row in connection.execute(found)}


def _lock(connection: Connection, ids: Collection[str]) -> None:
    """Lock the rows of messages against others who would change them, too."""
    given = given_ids(ids)
    rows = select(LedgerRow.msg_id).join(given, given.c.msg_id == LedgerRow.msg_id)
    connection.execute(rows.order_by(LedgerRow.msg_id).with_for_update(of=LedgerRow))


def seconds_of(connection: Connection, ids: Collection[str]) -> dict[str, int]:
    """Return by which second each of those messages counts that are in the ledger, since 1970. It needs no lock."""
    if not ids:
        return {}
    given = given_ids(ids)
    second = cast(func.floor(extract("epoch", LedgerRow.timestamp)), BigInteger)
    query = select(LedgerRow.msg_id, second).join(given, given.c.msg_id == LedgerRow.msg_id)
    return dict(connection.execute(query).all())


def set_of(connection: Connection, plugins: frozenset[str]) -> int:
    """Return the number of the set with exactly these plugins, which is made if need be."""
    names = sorted(plugins)
    find = select(PluginSet.id).where(PluginSet.plugins == names)
    number = connection.scalar(find)
    if number is None:
        made = insert(PluginSet).values(plugins=names).on_conflict_do_nothing()
        number = connection.scalar(made.returning(PluginSet.id))
    return connection.scalars(find).one() if number is None else number  # another has made it just now


def plugins_of(connection: Connection, numbers: Collection[int]) -> dict[int, frozenset[str]]:
    """Return the plugins of each of these sets, without those that are not there."""
    if not numbers:
        return {}
    query = select(PluginSet.id, PluginSet.plugins).where(PluginSet.id.in_(numbers))
    return {number: frozenset(plugins) for number, plugins in connection.execute(query)}


def _widen(
    connection: Connection,
    known: Mapping[str, int],
    sets: Mapping[int, frozenset[str]],
    plugins: frozenset[str],
) -> None:
    """Add the plugins to the sets of the messages that were known."""
    by_set = defaultdict(list)
    for id, number in known.items():
        if not plugins <= sets[number]:
            by_set[number].append(id)
    for number, ids in by_set.items():
        given = given_ids(ids)
        wider = set_of(connection, sets[number] | plugins)
        connection.execute(
            update(LedgerRow).where(LedgerRow.msg_id == given.c.msg_id).values(plugin_set=wider)
        )


def prune(engine: Engine, keep: timedelta) -> int:
    """Delete messages that were counted longer ago than `keep`, some at a time, and return how many.

    A message stays as long as one of the plugins that have it has not covered its time: that gap will be filled from
    an archive, which has the message, too. It also stays while a copy of it is kept back, which must not count as well.
    """
    kept = exists().where(KeptRow.msg_id == LedgerRow.msg_id)
    old = (
        select(LedgerRow.msg_id)
        .join(done := _done(), done.c.id == LedgerRow.plugin_set)
        .where(LedgerRow.counted_at < func.now() - keep, done.c.covered.contains(LedgerRow.timestamp), ~kept)
        .limit(PRUNED)
    )
    with counting(engine) as connection:
        return connection.execute(delete(LedgerRow).where(LedgerRow.msg_id.in_(old))).rowcount


def _done() -> Subquery:
    """Return, for each set of plugins, the time that all of them have covered, do not want or do not keep."""
    plugins = select(PluginSet.id, func.unnest(PluginSet.plugins).label("plugin")).subquery("members")
    # What came a little late just after the first start is wanted when somebody lets history begin earlier.
    unwanted = func.tstzmultirange(func.tstzrange(None, CoverageRow.since.op("-")(text("interval '1 day'"))))
    needless = not_needed("statscache_coverage.plugin")
    each = func.coalesce(CoverageRow.covered + unwanted + needless, text("'{}'::tstzmultirange"))
    return (
        select(plugins.c.id, func.range_intersect_agg(each, type_=TSTZMULTIRANGE).label("covered"))
        .outerjoin(CoverageRow, CoverageRow.plugin == plugins.c.plugin)
        .group_by(plugins.c.id)
        .subquery("done")
    )
