"""The figures of a view, as the table of its page and the script have them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from statscache.instants import write_second
from statscache.query.figures import Number
from statscache.query.frame import Frame
from statscache.query.series import Series
from statscache.query.view import COMPARISONS
from statscache.render.chart import Chart
from statscache.render.files import ALL
from statscache.render.language import Language
from statscache.render.reasons import told
from statscache.render.svg import shown
from statscache.render.versions import are_worth_saying, counted
from statscache.web.page.choices import COMPARISON_NAMES

#: So many periods stand in the table of a page; files have all.
ROWS = 400


@dataclass(frozen=True)
class Row:
    """What the table says of a period.

    :param versions: by which versions it was counted, empty where that is not worth saying
    :param link: to the messages behind it, empty where no archive is configured
    """

    period: str
    total: str
    values: list[str]
    complete: bool
    why: str
    versions: str
    link: str


def rows(chart: Chart, archive: str, names: Sequence[str]) -> list[Row]:
    """Return the last periods, the newest first."""
    series, language, frame = chart.series, chart.language, chart.series.frame
    shares, says = [chart.values(line) for line in chart.lines], are_worth_saying(series)
    found = []
    for place in range(len(series.periods) - 1, max(-1, len(series.periods) - 1 - ROWS), -1):
        values = [_value(each[place], frame, language) for each in shares]
        found.append(
            Row(
                language.period(series.periods[place], frame.step, frame.view.zone),
                language.value(series.totals[place], frame.figure.unit),
                values if len(names) > 1 or frame.view.share else [],
                series.complete[place],
                told(series.missing[place], language),
                ", ".join(map(str, series.counted_by(place))) if says else "",
                archive_link(archive, series, place),
            )
        )
    return found


def _whys(series: Series, language: Language) -> dict[int, str]:
    """Return why periods are not complete, and by which versions they were counted, if that is worth saying."""
    says, found = are_worth_saying(series), {}
    for place, missing in enumerate(series.missing):
        versions = counted(series.counted_by(place), language) if says else ""
        if why := "; ".join(filter(None, (told(missing, language), versions))):
            found[place] = why
    return found


def _value(value: Number | None, frame: Frame, language: Language) -> str:
    if frame.view.share and value is not None:
        return language.share(value)
    return language.value(value, frame.figure.unit)


def archive_link(archive: str, series: Series, place: int) -> str:
    """Return where the messages of a period can be looked up, empty where no archive is configured."""
    period = series.periods[place]
    asked = archive_query(archive, series)
    return f"{asked}{urlencode({'start': period.start, 'end': period.stop})}" if asked else ""


def archive_query(archive: str, series: Series) -> str:
    """Return the same without the time, to which that is to be added."""
    query = [
        (name, key)
        for name in ("category", "topic", "user", "package")
        for key in series.frame.view.keys.get(COLUMN_OF.get(name, name), ())
    ]
    return f"{archive.rstrip('/')}/raw?{urlencode([*query, ('order', 'asc')])}&" if archive else ""


#: The columns that hold what datagrepper's parameters ask for, where they are called otherwise.
COLUMN_OF = {"user": "username"}


def data_of(chart: Chart, names: Sequence[str], archive: str) -> str:
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
        "why": _whys(series, language),
    }
    if series.whole is not None:
        values = [language.value(its, frame.figure.unit) for its in series.whole.volumes]
        data["lines"].append({"name": language.text(ALL), "values": values})
    if series.before is not None:
        name = language.text(COMPARISON_NAMES[frame.view.compare or COMPARISONS[0]])
        data["lines"].append(
            {
                "name": name,
                "values": [language.value(its, frame.figure.unit) for its in series.before.volumes],
            }
        )
    if archive:
        data |= {"archive": archive_query(archive, series), "messages": language.text("the messages")}
    # No < ends the script that it stands in, nor begins a comment.
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
