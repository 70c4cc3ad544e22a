"""The page of one statistic, its picture and its files."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection, Table

from statscache.instants import write_second
from statscache.plugins import Note
from statscache.query.frame import Frame, frame_of
from statscache.query.notes import notes_between
from statscache.query.series import Series, instant, read_series
from statscache.query.sql import sql_of
from statscache.query.statistics import Statistic
from statscache.query.view import COMPARISONS, MOST_LINES, RANGES, View, steps_for
from statscache.render.chart import LEFT, Chart, name_of
from statscache.render.forms import made, subtitle_of, title_of
from statscache.render.language import Language, marked
from statscache.render.reasons import changed, told
from statscache.render.svg import shown, tag
from statscache.render.verdict import labels, sentence
from statscache.web.page.links import FileLinks
from statscache.web.page.reader import Reader
from statscache.web.page.templating import drawn, rendered

#: So many periods stand in the table of a page; files have all.
ROWS = 400


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
    return read_series(connection, frame, now), notes_between(connection, start, stop, notes)


def rendered_view(
    reader: Reader, wanted: Wanted, series: Series, notes: Sequence[Note], now: datetime
) -> bytes:
    """Return what was read in the form that is wanted.

    :param now: when it was read
    """
    if wanted.ending:
        return made(series, reader.language, wanted.ending, notes).encode()
    return _page(reader, wanted, Chart(series, reader.language, notes), now)


RANGE_NAMES = {
    "hour": marked("an hour"),
    "day": marked("a day"),
    "week": marked("a week"),
    "month": marked("four weeks"),
    "quarter": marked("a quarter"),
    "year": marked("a year"),
    "all": marked("all"),
}
STEP_NAMES = {
    "minute": marked("minute"),
    "hour": marked("hour"),
    "day": marked("day"),
    "week": marked("week"),
    "month": marked("month"),
    "quarter": marked("quarter"),
    "year": marked("year"),
}
COMPARISON_NAMES = {"before": marked("the time before"), "year": "a year before"}


@dataclass(frozen=True)
class Choice:
    """A link to the same view with one thing changed.

    :param query: that of the link
    :param chosen: whether it is what is shown
    """

    text: str
    query: str
    chosen: bool


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
        choices=choices(reader, frame),
        filters=_filters(reader, frame),
        ranking=_ranking(reader, series),
        rows=_rows(chart, wanted.archive, names),
        cut=len(series.periods) > ROWS,
        notes=[(language.instant(note.start, frame.view.zone), note) for note in chart.notes],
        sql=sql_of(frame),
        data=drawn(_data(chart, names, wanted.archive)),
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


def choices(reader: Reader, frame: Frame) -> dict[str, list[Choice]]:
    """Return the links that change a view, by what they change."""
    view, language, links = frame.view, reader.language, reader.links
    if isinstance(links, FileLinks):
        return {
            "range": [
                Choice(
                    language.text(RANGE_NAMES[name]),
                    links.range(frame.statistic.ident, name),
                    name == frame.reach,
                )
                for name in RANGES
            ]
        }

    def each(
        name: str, values: Sequence[tuple[str | None, str]], present: str | None, *without: str
    ) -> list[Choice]:
        return [
            Choice(language.text(text), reader.query(*without, **{name: value}), value == present)
            for value, text in values
        ]

    ranges = [(name, RANGE_NAMES[name]) for name in RANGES]
    steps = [(str(step), STEP_NAMES[str(step)]) for step in steps_for(frame.statistic)]
    comparisons = [(None, marked("nothing")), *((name, COMPARISON_NAMES[name]) for name in COMPARISONS)]
    found = {
        "range": each("range", ranges, frame.reach, "start", "stop", "step"),
        "step": each("step", steps, str(frame.step)),
        "compare": each("compare", comparisons, view.compare),
        "scale": each(
            "scale", [(None, marked("linear")), ("log", marked("logarithmic"))], "log" if view.log else None
        ),
    }
    if frame.statistic.keys:
        others = [(key, key) for key in frame.statistic.keys]
        found["by"] = each("by", [*others, ("", marked("nothing"))], view.by or "")
        found["show"] = each(
            "share", [(None, marked("counts")), ("1", marked("shares"))], "1" if view.share else None
        )
    if view.by:
        found["top"] = [
            Choice(str(top), reader.query(top=str(top)), top == view.top) for top in (1, 3, 5, MOST_LINES)
        ]
    return found


def _filters(reader: Reader, frame: Frame) -> list[Choice]:
    """Return the keys that are wanted, each with the query that no longer wants it."""
    parameters = {column: name for name, column in frame.statistic.filters.items()}
    found = []
    for column, keys in frame.view.keys.items():
        for key in keys:
            kept = [field for field in reader.fields if field != (parameters[column], key)]
            found.append(Choice(key, f"?{urlencode(kept)}" if kept else "?", True))
    return found


@dataclass(frozen=True)
class RankedKey:
    """A key among the greatest.

    :param query: that of the view of it alone
    :param share: of the greatest, in percent
    """

    key: str
    volume: int
    query: str
    share: float


def _ranking(reader: Reader, series: Series) -> list[RankedKey]:
    frame = series.frame
    parameter = next(
        (name for name, column in frame.statistic.filters.items() if column == frame.view.by), ""
    )
    greatest = max((volume for _, volume in series.ranked.keys), default=1) or 1
    return [
        RankedKey(key, volume, reader.query(**{parameter: key}), round(100 * volume / greatest, 1))
        for key, volume in series.ranked.keys
    ]


@dataclass(frozen=True)
class Row:
    """What the table says of a period.

    :param link: to the messages behind it, empty where no archive is configured
    """

    period: str
    total: str
    values: list[str]
    complete: bool
    why: str
    link: str


def _rows(chart: Chart, archive: str, names: Sequence[str]) -> list[Row]:
    """Return the last periods, the newest first."""
    series, language, frame = chart.series, chart.language, chart.series.frame
    shares = [[None if value is None else value for value in chart.values(line)] for line in chart.lines]
    found = []
    for place in range(len(series.periods) - 1, max(-1, len(series.periods) - 1 - ROWS), -1):
        values = [_value(each[place], frame, language) for each in shares]
        found.append(
            Row(
                language.period(series.periods[place], frame.step, frame.view.zone),
                language.number(series.totals[place]),
                values if len(names) > 1 or frame.view.share else [],
                series.complete[place],
                told(series.missing[place], language),
                archive_link(archive, series, place),
            )
        )
    return found


def _value(value: float | None, frame: Frame, language: Language) -> str:
    if value is None:
        return "\N{EN DASH}"
    return language.share(value) if frame.view.share else language.number(value)


def archive_link(archive: str, series: Series, place: int) -> str:
    """Return where the messages of a period can be looked up, empty where no archive is configured."""
    if not archive:
        return ""
    period = series.periods[place]
    query: list[tuple[str, str | int]] = [("start", period.start), ("end", period.stop)]
    query += [
        (name, key)
        for name in ("category", "topic", "user", "package")
        for key in series.frame.view.keys.get(COLUMN_OF.get(name, name), ())
    ]
    return f"{archive.rstrip('/')}/raw?{urlencode(query)}"


#: The columns that hold what datagrepper's parameters ask for, where they are called otherwise.
COLUMN_OF = {"user": "username"}


def _data(chart: Chart, names: Sequence[str], archive: str) -> str:
    """Return what the script shows of the point under the cursor, as JSON that may stand in a page."""
    series, language, frame = chart.series, chart.language, chart.series.frame
    lines = [
        {"name": shown(name), "values": [_value(value, frame, language) for value in chart.values(line)]}
        for name, line in zip(names, chart.lines, strict=True)
    ]
    data: dict[str, Any] = {
        "periods": [language.period(period, frame.step, frame.view.zone) for period in series.periods],
        "starts": [period.start for period in series.periods],
        "stop": write_second(frame.periods[-1].stop),
        "lines": lines,
        "why": {place: told(missing, language) for place, missing in enumerate(series.missing) if missing},
    }
    if series.before is not None:
        name = language.text(COMPARISON_NAMES[frame.view.compare or COMPARISONS[0]])
        data["lines"].append(
            {"name": name, "values": [language.number(value) for value in series.before.volumes]}
        )
    if archive:
        data["archive"] = archive.rstrip("/") + "/raw"
    # No < ends the script that it stands in, nor begins a comment.
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
