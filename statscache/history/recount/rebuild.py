"""Counts windows again and replaces their rows in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from statscache.app import App
from statscache.counting.notifications import Changes
from statscache.counting.overlap import MARGIN_S, horizon
from statscache.database.clock import began
from statscache.errors import StatscacheError, number_of
from statscache.history.archives.archive import Archive
from statscache.history.recount.events import exchange_events
from statscache.history.recount.ever import comparison
from statscache.history.recount.findings import Finding, Report
from statscache.history.recount.quarantined import refused
from statscache.history.recount.recount import Advance, Recount, Spans, fetched, inside, second_of
from statscache.history.recount.shadow import Shadow, shadow
from statscache.history.recount.targets import Target, choose, wanted_since
from statscache.history.recount.verify import MOST, closed
from statscache.plugins import Base, Rows
from statscache.schema.relations import note_relations
from statscache.span import Span, without
from statscache.store import kept_back, ledger, quarantine
from statscache.store.coverage import cover
from statscache.store.ledger import LedgerRow, PluginSet
from statscache.store.not_kept import not_kept
from statscache.store.quarantine_tables import Body, QuarantineRow
from statscache.store.removals import counted_again, noted
from statscache.store.standing import ask
from statscache.store.verification import clip
from statscache.store.versions import counted_anew, note_versions

#: How long in seconds to wait before asking the archive again for messages that it lacks.
PAUSES = (2.0, 10.0, 30.0)
#: So many ids are entered into the ledger in one statement.
AT_ONCE = 10_000


def rebuild(
    app: App,
    archive: Archive,
    plugins: Collection[str],
    span: Span,
    report: Callable[[str], None],
    advance: Advance = lambda seconds, messages: None,
    pauses: Sequence[float] = PAUSES,
) -> Report:
    """Count the windows of a span again from an archive, and replace the figures with the result.

    That happens in one transaction: until it is committed everybody sees the old figures, and if anything fails they
    stay. Daemons go on counting meanwhile; what they count of the span is not lost, and does not count twice.

    :param plugins: their idents; those that write the same tables come along
    :param span: its windows are those from that in which it starts, as long as they end with it and are over
    :param report: called with a sentence for each time that is counted again, and each table that cannot be
    :param advance: called with the seconds and the messages that were counted since the last call
    :param pauses: how long to wait in seconds, each time the archive lacks messages that were counted
    :return: what differed
    :raises StatscacheError: if nothing was changed
    """
    targets, unfit = choose(app, plugins)
    for fitting in (_whole, _kept):
        targets, refused = fitting(app, targets, span)
        unfit += refused
    spans = _windows(app, targets, span)
    for sentence in unfit:
        report(sentence)
    if not spans:
        raise StatscacheError(f"there is nothing to count again: no window of {span} is over")
    beside = Shadow(app, list(spans))
    try:
        for sentence in _announced(spans):
            report(sentence)
        recount = Recount(archive, beside, fetched(spans), advance, strict=True)
        recount.fetch()
        return Report(_taken_over(app, recount, spans, pauses), unfit)
    finally:
        beside.close()


def _whole(app: App, targets: Collection[Target], span: Span) -> tuple[list[Target], list[str]]:
    """Return the tables that can be counted again from a span, and a sentence for each that cannot."""
    refused: dict[Target, str] = {}
    ever = [target for target in targets if target.rows is Rows.EVER]
    with app.engine.connect() as connection:
        for target in ever:
            since = wanted_since(connection, target)
            if since is not None and span.start > since:
                begin = datetime.fromtimestamp(since, UTC)
                refused[target] = (
                    f"{target.name} cannot be counted again for {span} alone: its rows come of all messages since "
                    f"{begin:%Y-%m-%d %H:%M:%S} UTC, so begin there"
                )
    return [target for target in targets if target not in refused], list(refused.values())


def _kept(app: App, targets: Collection[Target], span: Span) -> tuple[list[Target], list[str]]:
    """Return the tables that keep any of a span, and a sentence for each other."""
    names = [target.table.fullname for target in targets]
    with app.engine.connect() as connection:
        gone = not_kept(connection, names, span)
    refused = [target for target in targets if not without(span, gone[target.table.fullname])]
    return [target for target in targets if target not in refused], [
        f"{target.name} cannot be counted again for {span}: that is not kept any more, "
        f"`statscache prune --restore {min(target.plugins)}` changes that"
        for target in refused
    ]


def _windows(app: App, targets: Collection[Target], span: Span) -> Spans:
    """Return the windows of each table that are counted again, without tables for which there are none."""
    stop = closed(app, span.stop)
    if stop <= span.start:
        return {}
    windows = {target: target.from_start_of(Span(span.start, stop)) for target in targets}
    return {target: its for target, its in windows.items() if its}


def _announced(spans: Spans) -> list[str]:
    names: dict[Span, list[str]] = {}
    for target, (span,) in spans.items():
        names.setdefault(span, []).append(target.name)
    return [f"counting {span} again for {', '.join(its)}" for span, its in names.items()]


def _taken_over(app: App, recount: Recount, spans: Spans, pauses: Sequence[float]) -> list[Finding]:
    """Exchange the rows as soon as the archive had all that daemons have counted of the windows.

    :raises StatscacheError: if it never has, or a plugin does not take the messages
    """
    for pause in (*pauses, None):
        with recount.shadow.exchange() as connection:
            for plugin, why in recount.failed(connection).items():
                raise StatscacheError(
                    f"nothing was changed: {plugin.name} fails for too many messages, {why}"
                )
            unseen = recount.unseen(connection)
            if not unseen:
                return _exchange(connection, app, spans)
        if pause is not None:
            time.sleep(pause)
            recount.fetch_again(unseen)
    lacking = frozenset[str]().union(*unseen.values())
    raise StatscacheError(
        f"nothing was changed: the archive lacks {number_of(len(lacking), 'counted message')}, such as {min(lacking)}; "
        "run this again when nothing is missing there"
    )


def _exchange(connection: Connection, app: App, spans: Spans) -> list[Finding]:
    """Let what was counted replace what there is."""
    findings, changes = [], Changes()
    _check_tables(connection, app, spans)
    note_relations(connection)
    for target, (span,) in spans.items():
        gone, *gone_beside = (noted(connection, table.fullname) for table in target.tables)
        (wider,) = target.fetched([span])
        compared = comparison(target, span)
        compared.check(connection)
        found = compared.exchange(connection, MOST)
        if found.total:
            changes.add([(target.table.fullname, (span.start, span.stop))])
        for its in gone_beside:
            others = exchange_events(connection, target, span, wider, its)
            changes.add((target.table.fullname, (other.start, other.stop)) for other in others)
        _exchange_quarantine(connection, target, wider)
        cover(connection, target.plugins, wider)
        clip(connection, target.plugins, [wider])
        changes.cover([target.table.fullname])
        counted_again(connection, gone, span)
        counted_anew(connection, target.plugins, span)
        note_versions(connection, {its: app.plugins[its].version for its in target.plugins}, [span])
        set_aside = refused(connection, target)
        windows = span.seconds // target.length
        findings.append(Finding(target, windows, differences=found, set_aside=set_aside))
    oldest = horizon(app.settings.ledger_keep, began(connection)) - MARGIN_S
    _remember(connection, kept_back.from_when(connection, oldest))
    changes.tell(connection)
    return findings


def _check_tables(connection: Connection, app: App, spans: Spans) -> None:
    """Check that the tables are those still with which this program began.

    :raises StatscacheError: if one was made anew
    """
    versions = {its: app.plugins[its].version for target in spans for its in target.plugins}
    if outdated := ask(connection, versions, app.remade).outdated:
        raise StatscacheError(
            f"nothing was changed: the table of {', '.join(outdated)} was made anew meanwhile: run this again in the "
            "version for which it was"
        )


def _exchange_quarantine(connection: Connection, target: Target, span: Span) -> None:
    """Let the messages in the quarantine be those that could not be counted now."""

    def chosen(row: Any) -> ColumnElement[bool]:
        return and_(row.plugin.in_(target.plugins), inside(row.timestamp, [span]))

    gone = connection.scalars(
        delete(QuarantineRow).where(chosen(QuarantineRow)).returning(QuarantineRow.msg_id)
    ).all()
    kept, bodies = shadow(QuarantineRow), shadow(Body)
    ids = select(kept.c.msg_id).where(chosen(kept.c))
    _copy(connection, Body, select(*bodies.c).where(bodies.c.msg_id.in_(ids)))
    _copy(connection, QuarantineRow, select(*kept.c).where(chosen(kept.c)))
    quarantine.forget_bodies(connection, set(gone))


def _copy(connection: Connection, model: type[Base], rows: Any) -> None:
    names = [column.name for column in model.__table__.columns]
    connection.execute(insert(model).from_select(names, rows).on_conflict_do_nothing())


def _remember(connection: Connection, oldest: float) -> None:
    """Enter what was counted into the real ledger, so that none of it counts again when it comes over the bus.

    :param oldest: what is older, in seconds since 1970, is entered only where it is in the ledger for others
    """
    seen, sets = shadow(LedgerRow), shadow(PluginSet)
    young = seen.c.timestamp > func.to_timestamp(oldest)
    known = select(1).where(LedgerRow.msg_id == seen.c.msg_id).exists()
    for number, plugins in connection.execute(select(sets.c.id, sets.c.plugins)).all():
        messages = select(seen.c.msg_id, second_of(seen.c.timestamp)).where(seen.c.plugin_set == number)
        for chosen, remember in ((young, True), (~young & known, False)):
            rows = connection.execute(messages.where(chosen), execution_options={"yield_per": AT_ONCE})
            for some in rows.partitions():
                ids, seconds = zip(*some, strict=True)
                ledger.enter(connection, ids, seconds, frozenset(plugins), remember)
