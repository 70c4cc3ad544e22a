"""The figure by which a statistic is known at a glance: that of its last complete day or week."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from statscache.query.figures import Number
from statscache.query.frame import frame_of
from statscache.query.missing import Missing
from statscache.query.periods import Period, Step
from statscache.query.series import Series, read_series
from statscache.query.statistics import Statistic
from statscache.query.view import View

#: With fewer complete days than this nobody can tell whether days are sparse.
FEW = 4


@dataclass(frozen=True)
class Headline:
    """A figure, and how it came about.

    :param series: figures by day, or by week where days are sparse
    :param place: the number of the period whose figure it is
    """

    series: Series
    place: int

    @property
    def period(self) -> Period:
        """The period that it is of."""
        return self.series.periods[self.place]

    @property
    def step(self) -> Step:
        """The step of that period."""
        return self.series.frame.step

    @property
    def figure(self) -> Number | None:
        """The figure; None if that period has none."""
        return self.series.totals[self.place]

    @property
    def complete(self) -> bool:
        """Whether none is missing."""
        return self.series.complete[self.place]

    @property
    def missing(self) -> tuple[Missing, ...]:
        """Why it is not complete; nothing if it is."""
        return self.series.missing[self.place]

    @property
    def versions(self) -> tuple[int, ...]:
        """The versions of the plugin by which it was counted; none if nobody knows."""
        return self.series.counted_by(self.place)

    @property
    def change(self) -> float | None:
        """Its change, as a share of the period before; None if either is not complete, or that is not above 0."""
        before = self.place - 1
        if before < 0 or not (self.complete and self.series.complete[before]):
            return None
        figure, earlier = self.figure, self.series.totals[before]
        if figure is None or earlier is None or earlier <= 0:
            return None
        return float(figure) / float(earlier) - 1


def read_headline(
    connection: Connection,
    statistic: Statistic,
    zone: ZoneInfo,
    now: datetime,
    why: bool = True,
    figure: str = "",
) -> Headline:
    """Return the headline of a statistic: the last complete period or, if none is, the newest.

    :param why: as in `read_series`
    :param figure: as in `View`
    """
    view = View("month", step=Step.DAY, zone=zone, figure=figure)
    series = _series(connection, statistic, view, now, why)
    if _is_sparse(series):
        series = _series(connection, statistic, replace(view, reach="quarter", step=Step.WEEK), now, why)
    over = [place for place, whole in enumerate(series.complete) if whole]
    return Headline(series, over[-1] if over else len(series.periods) - 1)


def _series(connection: Connection, statistic: Statistic, view: View, now: datetime, why: bool) -> Series:
    return read_series(connection, frame_of(statistic, view, now, connection), now, why)


def _is_sparse(days: Series) -> bool:
    """Return whether most of the days that are known in full had nothing."""
    known = [volume for volume, whole in zip(days.totals, days.complete, strict=True) if whole]
    nothing = known.count(days.frame.figure.nothing)
    return days.frame.step is Step.DAY and len(known) >= FEW and nothing * 2 > len(known)
