"""Tables whose rows come of all messages ever: compared, and made as they should be, for all time together.

Of such a row two cells say what is known: the earliest message was sent at `first`, the latest at `last`. What came
before the span that is counted again, or after it, stays as it is.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Subquery, and_, case, func, or_, select

from statscache.errors import StatscacheError
from statscache.history.recount.compare import Comparison
from statscache.history.recount.shadow import shadow
from statscache.history.recount.targets import Target
from statscache.plugins import Rows
from statscache.span import Span


def comparison(target: Target, span: Span) -> Comparison:
    """Return what compares a table with what was counted again of a span."""
    return EverComparison(target, span) if target.rows is Rows.EVER else Comparison(target, span)


class EverComparison(Comparison):
    """A table of first and last times and what was counted again, row by row."""

    def check(self, connection: Connection) -> None:
        """Check that it is known what each row should be.

        Where a row says that something was seen in the span, and it was not, what is known of the time after the span
        does not tell when it was seen first there, nor what of the time before it tells when it was seen last.

        :raises StatscacheError: if it is not
        """
        first, last = self._real.c.first, self._real.c.last
        beyond = or_(
            and_(self._within(first), last >= self._stop), and_(first < self._start, self._within(last))
        )
        query = select(*self._key_columns).where(beyond, ~self._counted_again())
        row = connection.execute(query.order_by(*self._key_columns).limit(1)).first()
        if row is not None:
            raise StatscacheError(
                f"nothing was changed: {', '.join(map(str, row))} in {self._real.fullname} was not seen in that time, "
                "as it says, but outside of it, and when is not known: run this again for a longer time, up to now"
            )

    def _actual(self) -> Subquery:
        seen = or_(self._within(self._real.c.first), self._within(self._real.c.last))
        rows = select(*self._real.columns).where(or_(seen, self._counted_again()))
        return rows.subquery("actual")

    def _wanted(self) -> Subquery:
        other = shadow(self._real)
        first, last = self._real.c.first, self._real.c.last
        before, after = case((first < self._start, first)), case((last >= self._stop, last))
        times = func.least(other.c.first, before), func.greatest(other.c.last, after)
        columns = [other.c[name] for name in self._keys]
        columns += [time.label(name) for name, time in zip(("first", "last"), times, strict=True)]
        rows = select(*columns).join(self._real, and_(*self._same_key(other)), isouter=True)
        return rows.select_from(other).subquery("wanted")

    def _counted_again(self) -> ColumnElement[bool]:
        other = shadow(self._real)
        return select(1).where(*self._same_key(other)).exists()

    def _within(self, time: Any) -> ColumnElement[bool]:
        return and_(time >= self._start, time < self._stop)

    @property
    def _key_columns(self) -> list[Any]:
        return [self._real.c[name] for name in self._keys]

    @property
    def _start(self) -> ColumnElement[Any]:
        return self._instant(self._span.start)

    @property
    def _stop(self) -> ColumnElement[Any]:
        return self._instant(self._span.stop)
