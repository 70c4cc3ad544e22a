"""How a statistic goes over time: its figures by period and by key, and of each whether it is complete."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import (
    ARRAY,
    Connection,
    FromClause,
    Select,
    Text,
    case,
    cast,
    func,
    literal,
    null,
    select,
)

from statscache.query.completeness import Completeness, all_cover, read_completeness, versions_of
from statscache.query.extents import spans_behind
from statscache.query.figures import Number
from statscache.query.frame import Frame
from statscache.query.kept import lost_periods
from statscache.query.kinds import TIME
from statscache.query.missing import Missing, Reason, Reasons, read_reasons
from statscache.query.periods import Period
from statscache.query.places import inside, place_in
from statscache.query.tables import Served
from statscache.span import Span

#: So many keys are ranked.
RANKED = 25


@dataclass(frozen=True)
class Line:
    """A figure for each period, None where there is none.

    :param key: whose; None for that of all keys, or of all others
    :param rest: whether it is that of all keys which have no line of their own
    """

    volumes: tuple[Number | None, ...]
    key: str | None = None
    rest: bool = False

    def without(self, places: Collection[int]) -> Line:
        """Return the line without the figures at some places."""
        volumes = (None if place in places else its for place, its in enumerate(self.volumes))
        return replace(self, volumes=tuple(volumes)) if places else self


@dataclass(frozen=True)
class Ranked:
    """The figures of the greatest keys over the whole range.

    :param keys: each key and its figure, the greatest first
    :param count: how many keys there are
    """

    keys: tuple[tuple[str, Number | None], ...] = ()
    count: int = 0


@dataclass(frozen=True)
class Series:
    """Figures by period.

    :param lines: of the greatest keys, then of the rest if they add up; one line where nothing is told apart
    :param whole: that of all keys together, where it is not the sum of the lines
    :param complete: for each period whether no message is missing
    :param missing: for each period why it is not complete; nothing where it is
    :param before: what it is compared with, period by period; None for nothing
    :param before_complete: for each of those whether no message is missing
    :param verified: for each period since when it is known to agree with an archive; None if it is not, or not complete
    :param versions: for each period by which versions of the plugin it was counted; none if nobody knows
    :param differed: when a complete period was last found to differ from one; None if none was
    """

    frame: Frame
    lines: tuple[Line, ...]
    ranked: Ranked
    complete: tuple[bool, ...]
    missing: tuple[tuple[Missing, ...], ...]
    whole: Line | None = None
    before: Line | None = None
    before_complete: tuple[bool, ...] = ()
    verified: tuple[datetime | None, ...] = ()
    versions: tuple[tuple[int, ...], ...] = ()
    differed: datetime | None = None

    @property
    def periods(self) -> Sequence[Period]:
        """The periods, oldest first."""
        return self.frame.periods

    @cached_property
    def all_versions(self) -> tuple[int, ...]:
        """The versions of the plugin by which any period was counted."""
        return tuple(sorted({version for versions in self.versions for version in versions}))

    def counted_by(self, place: int) -> tuple[int, ...]:
        """Return by which versions of the plugin a period was counted; none if nobody knows."""
        return self.versions[place] if self.versions else ()

    @cached_property
    def totals(self) -> tuple[Number | None, ...]:
        """The figure of all keys together for each period."""
        if self.whole is not None:
            return self.whole.volumes
        if len(self.lines) == 1:
            return self.lines[0].volumes
        each = zip(*(line.volumes for line in self.lines), strict=True)
        return tuple(None if None in its else self.frame.figure.total(its) for its in each)


def read_series(connection: Connection, frame: Frame, now: datetime, why: bool = True) -> Series:
    """Return the figures of a frame's periods.

    What is complete was so before these were read, and is so after: each statement sees what is committed by then.

    :param why: whether to read why periods are not complete; else nothing is said to be missing of any
    """
    table, spans = frame.table, spans_behind(connection, frame.table, frame.periods)
    before = read_known(connection, table, spans)
    ranked = read_ranking(connection, frame)
    chosen = _chosen(frame, ranked)
    lines = read_lines(connection, frame, frame.periods, chosen, ranked.count)
    apart = chosen and not frame.figure.adds_up
    whole = read_lines(connection, frame, frame.periods, None, 0)[0] if apart else None
    known = before, read_known(connection, table, spans)
    complete = all_cover(known, spans)
    versions = tuple(versions_of(known, span.start, span.stop) for span in spans)
    lost = () if all(complete) else lost_periods(connection, table, frame.periods)
    lines, whole = tuple(line.without(lost) for line in lines), whole and whole.without(lost)
    reasons = read_why(connection, table, spans, now) if why and not all(complete) else None
    missing = tuple(
        () if whole or reasons is None else _missing(reasons, known, period, span)
        for whole, period, span in zip(complete, frame.periods, spans, strict=True)
    )
    if not frame.compared:
        return Series(frame, lines, ranked, complete, missing, whole, versions=versions)
    past = spans_behind(connection, table, frame.compared)
    before = read_known(connection, table, past)
    compared = read_lines(connection, frame, frame.compared, None, 0)[0]
    compared = compared.without(lost_periods(connection, table, frame.compared))
    still = all_cover((before, read_known(connection, table, past)), past)
    return Series(frame, lines, ranked, complete, missing, whole, compared, still, versions=versions)


def _missing(
    reasons: Reasons, known: Sequence[Completeness], period: Period, span: Span
) -> tuple[Missing, ...]:
    """Return why the figures of a period are not complete.

    :param span: the time of which they come, to the end of the period
    """
    found = reasons.of(span.start, span.stop)
    own = all_cover(known, [Span(period.start, period.stop)])[0]
    if own and all(each.reason is Reason.UNCOUNTED for each in found):
        return (Missing(Reason.BEFORE),)
    return found


def read_known(connection: Connection, table: Served, spans: Sequence[Span]) -> Completeness:
    """Return of which of some time, which is in order, a table has every message, and by which versions."""
    return read_completeness(connection, [table.table.fullname], spans[0].start, spans[-1].stop)


def read_why(connection: Connection, table: Served, spans: Sequence[Span], now: datetime) -> Reasons:
    """Return what is known of why a table is not complete in some time, which is in order."""
    span = Span(spans[0].start, spans[-1].stop)
    return read_reasons(connection, [table.table.fullname], [table.ident], span, int(now.timestamp()))


def _chosen(frame: Frame, ranked: Ranked) -> list[str] | None:
    """Return the keys that have a line of their own; None where nothing is told apart."""
    view = frame.view
    if view.by is None:
        return None
    return [key for key, _ in ranked.keys[: view.top]]


def read_ranking(connection: Connection, frame: Frame) -> Ranked:
    """Return the greatest keys of a frame's range."""
    if frame.view.by is None:
        return Ranked()
    rows = connection.execute(ranking(frame, frame.view.by)).all()
    number = frame.figure.number
    return Ranked(tuple((key, number(value)) for key, value, _ in rows), rows[0][2] if rows else 0)


def ranking(frame: Frame, by: str) -> Select[Any]:
    """Return what selects the greatest keys, their figures, and with each how many keys there are."""
    figure, rows = frame.figure, wanted_rows(frame, by)
    its = figure.grouped(rows, [rows.c[by].label("key")], inside(rows.c[TIME], frame.periods)).subquery(
        "figure"
    )
    value = its.c[figure.name]
    query = select(its.c.key, value, func.count().over().label("count"))
    return query.order_by(value.desc().nulls_last(), its.c.key).limit(RANKED)


def wanted_rows(frame: Frame, by: str | None) -> FromClause:
    """Return the rows of which a frame's figures are taken, told apart by a key if there is one."""
    columns = frame.table.table.c
    return frame.table.rows([by], [columns[name].in_(values) for name, values in frame.view.keys.items()])


def read_lines(
    connection: Connection, frame: Frame, periods: Sequence[Period], chosen: list[str] | None, count: int
) -> tuple[Line, ...]:
    """Return the figures of some periods.

    :param chosen: the keys that have a line of their own; None for one line
    :param count: how many keys there are in all
    """
    figure = frame.figure
    nothing: list[Number | None] = [figure.nothing] * len(periods)
    found: dict[str | None, list[Number | None]] = {key: [*nothing] for key in chosen or ()}
    rest = [*nothing]
    for place, key, value in connection.execute(summing(frame, periods, chosen)):
        (rest if key is None else found[key])[place] = figure.number(value)
    lines = [Line(tuple(values), key) for key, values in found.items()]
    if not chosen or (figure.adds_up and count > len(chosen)):
        lines.append(Line(tuple(rest), rest=bool(chosen)))
    return tuple(lines)


def summing(frame: Frame, periods: Sequence[Period], chosen: list[str] | None) -> Select[Any]:
    """Return what selects the number of a period, a key or null for all others, and their figure.

    Of a figure that does not add up there are no others.
    """
    by = frame.view.by if chosen else None
    rows = wanted_rows(frame, by)
    conditions, place = inside(rows.c[TIME], periods), place_in(rows.c[TIME], periods).label("place")
    key: Any = cast(null(), Text)
    if by is not None:
        is_chosen = rows.c[by] == func.any(literal(chosen, ARRAY(Text)))
        key = case((is_chosen, rows.c[by]))
        conditions += [] if frame.figure.adds_up else [is_chosen]
    return frame.figure.grouped(rows, [place, key.label("key")], conditions)
