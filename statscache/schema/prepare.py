"""Finds the tables that must be there before plugins run, and the plugins that can run on them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, Table

from statscache.errors import Unusable
from statscache.hosting.loader import Entry, Part
from statscache.hosting.suspensions import SuspensionRow
from statscache.plugins import Base, LatestModel
from statscache.plugins.in_windows import tables_of
from statscache.schema.bots import keep_bots
from statscache.schema.canonical_ids import rewrite_ids
from statscache.schema.freshness import create_views
from statscache.schema.functions.create import create_functions
from statscache.schema.indexes import add_indexes
from statscache.schema.migrations.start import upgrade_at_start
from statscache.schema.partitioning import make_partitions, partitioned
from statscache.schema.registry import PluginRow, register
from statscache.schema.tables import create_tables
from statscache.schema.unfit import find_unfit
from statscache.schema.watching import note_dropped, watch
from statscache.store.bots import BotRow
from statscache.store.buses import BusRow, ConsumerRow
from statscache.store.coverage import CoverageRow, HeardRow
from statscache.store.forgotten import ForgottenRow
from statscache.store.gaps import GapRow
from statscache.store.kept_back_table import KeptRow
from statscache.store.ledger import LedgerRow, PluginSet
from statscache.store.not_kept import NotKeptRow
from statscache.store.notes import NoteRow
from statscache.store.positions import DatabaseRow, SpoolRow
from statscache.store.quarantine_tables import Body, QuarantineRow
from statscache.store.remade import RemadeRow
from statscache.store.removals import RelationRow, RemovedRow
from statscache.store.revisions import SchemaRow, is_for_later
from statscache.store.verification import VerificationRow
from statscache.store.versions import VersionRow

log = logging.getLogger(__name__)

CORE_MODELS = (
    PluginRow,
    DatabaseRow,
    SpoolRow,
    PluginSet,
    LedgerRow,
    CoverageRow,
    Body,
    QuarantineRow,
    SuspensionRow,
    GapRow,
    RemovedRow,
    RelationRow,
    BusRow,
    HeardRow,
    ConsumerRow,
    KeptRow,
    NoteRow,
    BotRow,
    VerificationRow,
    VersionRow,
    SchemaRow,
    NotKeptRow,
    ForgottenRow,
    RemadeRow,
)
#: The tables that statscache keeps for itself, and their names.
CORE: list[Table] = [model.__table__ for model in CORE_MODELS]  # type: ignore[misc]
CORE_TABLES = {model.__tablename__ for model in CORE_MODELS}


@dataclass(frozen=True)
class Prepared:
    """What can run on a database.

    :param parts: the plugins whose tables are there as their models say
    :param unable: why each other that should run cannot, by its entry point or ident
    """

    parts: list[Part]
    unable: Mapping[str, str]


def prepare(
    engine: Engine,
    entries: Sequence[Entry],
    parts: Sequence[Part],
    epoch: datetime | None,
    bots: Collection[str],
    keep: Mapping[str, timedelta],
) -> Prepared:
    """Make what is missing of tables, indexes, views and functions, upgrade them, and note which plugins start.

    :param parts: the plugins that should run
    :param epoch: from when on there is to be history; None for from the first start on this database
    :param bots: the patterns of names of accounts that are no people's
    :param keep: how long rows are kept, as `statscache.keep` has it
    :raises Unusable: if nothing can run
    :raises DBAPIError: if the database fails
    """
    tables = _tables(entries, parts)
    old = upgrade_at_start(engine, CORE)
    core = [table for table in CORE if table.fullname not in old]
    _check_core(create_tables(engine, core, later=is_for_later(engine)))
    keep_bots(engine, bots)
    note_dropped(engine)
    by_time = partitioned(parts, keep)
    limited = [its.table for its in by_time if its.is_worth_it]
    own = [table for table in tables if table.fullname not in CORE_TABLES]
    differing = create_tables(engine, own, by_time=limited)
    unfit = find_unfit(engine, parts, differing)
    fitting = _fitting(parts, unfit)
    rewrite_ids(engine, [table for table in _latest(entries, parts) if table.fullname not in differing])
    add_indexes(engine, [table for table in tables if table.fullname not in differing])
    for failure in make_partitions(engine, fitting, by_time, patient=True):
        log.warning("%s", failure)
    create_views(engine)
    create_functions(engine, fitting)
    register(engine, fitting, epoch)
    watch(engine, fitting)
    return Prepared(fitting, _failing(entries) | unfit)


def _check_core(differing: Mapping[str, Sequence[str]]) -> None:
    """Check that the tables of statscache itself are as they should be.

    :raises Unusable: if one differs
    """
    for name, reasons in differing.items():
        raise Unusable(
            f"the table {name} does not fit this version of statscache "
            f"({'; '.join(reasons)}): rename that table, or set another database"
        )


def _tables(entries: Sequence[Entry], parts: Sequence[Part]) -> list[Table]:
    """Return the tables to be there: all that are declared, without those of plugins that do not run."""
    off = {
        table
        for entry in entries
        if not entry.on
        for plugin in entry.plugins
        for table in tables_of(plugin.model)
    }
    used = [table for part in parts for table in tables_of(part.plugin.model)]
    declared = [table for table in Base.metadata.sorted_tables if table not in off]
    return list(dict.fromkeys([*declared, *used]))


def _latest(entries: Sequence[Entry], parts: Sequence[Part]) -> list[Table]:
    """Return the tables of latest states, also of plugins that do not run, which may have run before."""
    plugins = [*(plugin for entry in entries for plugin in entry.plugins), *(part.plugin for part in parts)]
    models = dict.fromkeys(plugin.model for plugin in plugins)
    return [model.__table__ for model in models if isinstance(model, type) and issubclass(model, LatestModel)]  # type: ignore[misc]


def _failing(entries: Sequence[Entry]) -> dict[str, str]:
    """Return why each entry point that is on does not load in full."""
    return {entry.name: "; ".join(entry.failures) for entry in entries if entry.on and entry.failures}


def _fitting(parts: Sequence[Part], unfit: Mapping[str, str]) -> list[Part]:
    """Return the plugins whose tables are as their models say.

    :raises Unusable: if no plugin's table does
    """
    for ident, why in unfit.items():
        log.error("%s is disabled: %s", ident, why)
    fitting = [part for part in parts if part.ident not in unfit]
    if not fitting:
        raise Unusable("no plugin can run: none of their tables fits its model; the log says why for each")
    return fitting
