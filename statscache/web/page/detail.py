"""The page of one statistic, its picture and its files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table

from statscache.plugins import Note
from statscache.query.frame import Frame, frame_of
from statscache.query.notes import notes_between
from statscache.query.places import instant
from statscache.query.series import Series
from statscache.query.sql import sql_of
from statscache.query.statistics import Statistic
from statscache.query.verified import read_checked_series
from statscache.query.view import View
from statscache.render.chart import LEFT, Chart, name_of
from statscache.render.figures import captioned
from statscache.render.forms import made, subtitle_of, title_of
from statscache.render.reasons import changed
from statscache.render.svg import tag
from statscache.render.verdict import labels, sentence
from statscache.web.page.choices import choices, figure_fields, figure_options, filters, ranking
from statscache.web.page.figures import ROWS, data_of, rows
from statscache.web.page.reader import Reader
from statscache.web.page.templating import drawn, rendered


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a statistic.

    :param ending: which form; empty for a page
    :param archive: the URL of the archive in which people look up messages; empty for none
    :param known: a tag of what the tables hold, so that a page is told of what changes after it was made
    """

    statistic: Statistic
    view: View
    ending: str
    archive: str
    known: str


def made_view(
    reader: Reader, wanted: Wanted, notes: Collection[Table], connection: Connection, now: datetime
) -> bytes:
    """Return a view in the form that is wanted."""
    series, noted = read_view(wanted, notes, connection, now)
    return rendered_view(reader, wanted, series, noted, now)


def read_view(
    wanted: Wanted, notes: Collection[Table], connection: Connection, now: datetime
) -> tuple[Series, list[Note]]:
    """Return what a view shows, and the notes of its time."""
    frame = frame_of(wanted.statistic, wanted.view, now, connection)
    start, stop = instant(frame.periods[0].start), instant(frame.periods[-1].stop)
    return read_checked_series(connection, frame, now), notes_between(connection, start, stop, notes)


def rendered_view(
    reader: Reader, wanted: Wanted, series: Series, notes: Sequence[Note], now: datetime
) -> bytes:
    """Return what was read in the form that is wanted.

    :param now: when it was read
    """
    if wanted.ending:
        return made(series, reader.language, wanted.ending, notes).encode()
    return _page(reader, wanted, Chart(series, reader.language, notes), now)


def _page(reader: Reader, wanted: Wanted, chart: Chart, now: datetime) -> bytes:
    series, language = chart.series, reader.language
    frame = series.frame
    names = labels(series, language)
    return rendered(
        "view.html",
        reader,
        statistic=wanted.statistic,
        known=wanted.known,
        made=now,
        frame=frame,
        series=series,
        title=title_of(frame, language),
        subtitle=subtitle_of(frame, language),
        verdict=sentence(series, language),
        whole=all(series.complete[:-1]),
        changes=[changed(each, language) for each in frame.changes],
        chart=drawn(_inline(chart, title_of(frame, language))),
        legend=[
            (name, name_of(place, line))
            for place, (name, line) in enumerate(zip(names, chart.lines, strict=True))
        ],
        choices=choices(reader, frame, chart.scale),
        figures=figure_options(frame, language),
        caption=captioned(frame.statistic, frame.figure, language),
        figure_fields=figure_fields(reader, frame),
        filters=filters(reader, frame),
        ranking=ranking(reader, series),
        rows=rows(chart, wanted.archive, names),
        cut=len(series.periods) > ROWS,
        notes=[(language.instant(note.start, frame.view.zone), note) for note in chart.notes],
        sql=sql_of(frame),
        data=drawn(data_of(chart, names, wanted.archive)),
        fields=[field for field in reader.fields if field[0] not in ("start", "stop", "range", "step")],
        zone_fields=[field for field in reader.fields if field[0] != "tz"],
        day=lambda second: field_day(second, frame),
    )


def field_day(second: int, frame: Frame) -> str:
    """Return a day as a date field of a form takes it."""
    return instant(second).astimezone(frame.view.zone).strftime("%Y-%m-%d")


def _inline(chart: Chart, label: str) -> str:
    """Return the chart as a part of a page, whose width it takes."""
    axis = tag("svg", chart.values_axis(), width=LEFT, height=chart.height, class_="axis", aria_hidden="true")
    plot = tag("svg", chart.plot(), height=chart.height, role="img", aria_label=label, class_="drawing")
    return axis + plot
