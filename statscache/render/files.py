"""What a view shows, as a file of CSV or JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from statscache.instants import write_second
from statscache.query.completeness import in_a_cell
from statscache.query.figures import Number
from statscache.query.missing import Missing
from statscache.query.series import Series
from statscache.render.exact_json import exact_json
from statscache.render.language import Language
from statscache.render.reasons import told
from statscache.render.verdict import labels, sentence

#: What makes a spreadsheet take a cell for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
ALL = "all"


def as_csv(series: Series, language: Language) -> str:
    """Return a line for each period and key: when, which key, its figure, whether that is complete, why not, and more.

    What does not add up has a line for all keys together, too. A key that a spreadsheet would take for a formula has a
    `'` before it.
    """
    file = io.StringIO()
    writer = csv.writer(file)
    by, figure = series.frame.view.by or "key", series.frame.figure.name
    writer.writerow(["start", "stop", by, figure, "complete", "missing", "plugin", "verified", "versions"])
    names, lines = labels(series, language), series.lines
    if series.whole is not None:
        names, lines = [*names, language.text(ALL)], (*lines, series.whole)
    for place, period in enumerate(series.periods):
        whole = "true" if series.complete[place] else "false"
        why, plugin = harmless(told(series.missing[place], language)), series.frame.table.ident
        known = _verified(series, place) or "", in_a_cell(series.counted_by(place))
        times = write_second(period.start), write_second(period.stop)
        for name, line in zip(names, lines, strict=True):
            writer.writerow(
                [*times, harmless(name), written(line.volumes[place]), whole, why, plugin, *known]
            )
    return file.getvalue()


def written(value: Number | None) -> Number | str | None:
    """Return a value as it stands in a cell: a Decimal with all its digits, and no exponent."""
    return f"{value:f}" if isinstance(value, Decimal) else value


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def as_dict(series: Series, language: Language) -> dict[str, Any]:
    """Return all that a view shows, fit for JSON."""
    frame = series.frame
    figure = frame.figure
    found: dict[str, Any] = {
        "statistic": frame.statistic.ident,
        "figure": figure.name,
        "unit": figure.unit,
        "summary": frame.statistic.summary,
        "plugin": frame.table.ident,
        "table": frame.table.table.fullname,
        "start": write_second(frame.periods[0].start),
        "stop": write_second(frame.periods[-1].stop),
        "step": str(frame.step),
        "tz": str(frame.view.zone),
        "by": frame.view.by,
        "completeness": sentence(series, language),
        "periods": [period_as_dict(series, place) for place in range(len(series.periods))],
        "lines": [
            {
                "key": None if line.key is None else language.key(line.key),
                "rest": line.rest,
                "volumes": list(line.volumes),
            }
            for line in series.lines
        ],
        "ranking": [{"key": language.key(key), figure.name: value} for key, value in series.ranked.keys],
        "keys": series.ranked.count,
    }
    if series.before is not None:
        found["compared"] = {
            "start": write_second(frame.compared[0].start),
            "volumes": list(series.before.volumes),
            "complete": list(series.before_complete),
        }
    return found


def period_as_dict(series: Series, place: int) -> dict[str, Any]:
    """Return what is known of a period, fit for JSON."""
    period = series.periods[place]
    return {
        "start": write_second(period.start),
        "stop": write_second(period.stop),
        series.frame.figure.name: series.totals[place],
        "complete": series.complete[place],
        "missing": missing_as_dicts(series.missing[place]),
        "verified": _verified(series, place),
        "versions": list(series.counted_by(place)),
    }


def missing_as_dicts(missing: Iterable[Missing]) -> list[dict[str, Any]]:
    """Return why a period is not complete, fit for JSON."""
    return [
        {"reason": str(each.reason), "messages": each.messages, "detail": each.detail} for each in missing
    ]


def _verified(series: Series, place: int) -> str | None:
    """Return when a period was last verified, None if that is not known."""
    when = series.verified[place] if series.verified else None
    return None if when is None else write_second(int(when.timestamp()))


def csv_of(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Return rows as CSV with a line of titles; of a text that a spreadsheet would take for a formula nothing is run.

    :param rows: what stands under each title; None, or nothing at all, for an empty cell
    """
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
    return file.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return harmless(value) if isinstance(value, str) else value


def json_of(value: object) -> str:
    """Return a value as JSON in ASCII, in which a Decimal is a number with all its digits."""
    return exact_json(value, separators=(",", ":"))


def as_json(series: Series, language: Language) -> str:
    """Return all that a view shows as JSON in ASCII."""
    return json_of(as_dict(series, language))
