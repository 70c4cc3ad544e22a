"""A series in each form that is no page."""

from __future__ import annotations

from collections.abc import Sequence

from statscache.plugins import Note
from statscache.query.frame import Frame
from statscache.query.series import Series
from statscache.render.chart import Chart
from statscache.render.figures import titled
from statscache.render.files import as_csv, as_json
from statscache.render.language import Language, marked
from statscache.render.picture import picture
from statscache.render.svg import shown

EACH = {
    "minute": marked("by minute"),
    "hour": marked("by hour"),
    "day": marked("by day"),
    "week": marked("by week"),
    "month": marked("by month"),
    "quarter": marked("by quarter"),
    "year": marked("by year"),
}


def made(series: Series, language: Language, ending: str, notes: Sequence[Note] = ()) -> str:
    """Return a series as CSV, JSON or SVG.

    :param notes: what a picture shows of them
    """
    if ending == "csv":
        return as_csv(series, language)
    if ending == "json":
        return as_json(series, language)
    frame = series.frame
    return picture(Chart(series, language, notes), title_of(frame, language), subtitle_of(frame, language))


def title_of(frame: Frame, language: Language) -> str:
    """Return what a view shows, with its figure and the keys that are wanted."""
    chosen = [shown(language.key(key)) for keys in frame.view.keys.values() for key in keys]
    title = titled(language.text(frame.statistic.summary), frame.statistic, frame.figure, language)
    return f"{title}: {', '.join(chosen)}" if chosen else title


def subtitle_of(frame: Frame, language: Language) -> str:
    """Return of which time a view is, and by which clock."""
    zone, first, last = frame.view.zone, frame.periods[0], frame.periods[-1]
    start = language.period(first, frame.step, zone)
    stop = language.period(last, frame.step, zone)
    each = language.text(EACH[str(frame.step)])
    return f"{start} \N{EN DASH} {stop}, {each}, {zone}"
