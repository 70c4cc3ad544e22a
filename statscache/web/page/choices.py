"""The links that change a view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from statscache.query.figures import Figure
from statscache.query.frame import Frame, default_range
from statscache.query.series import Series
from statscache.query.view import COMPARISONS, MOST_LINES, RANGES, keys_for, steps_for
from statscache.render.figures import named
from statscache.render.language import Language, marked
from statscache.render.scale import Scale
from statscache.web.page.links import FileLinks, query_of
from statscache.web.page.reader import Reader

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


def choices(reader: Reader, frame: Frame, scale: Scale) -> dict[str, list[Choice]]:
    """Return the links that change a view, by what they change.

    :param scale: that of what is shown
    """
    view, language = frame.view, reader.language
    if isinstance(reader.links, FileLinks):
        return _still_choices(reader.links, frame, language)

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
    }
    if scale.foot >= 0:
        scales = [(None, marked("linear")), ("log", marked("logarithmic"))]
        found["scale"] = each("scale", scales, "log" if view.log else None)
    keys = keys_for(frame.statistic, frame.figure)
    if keys:
        found["by"] = each("by", [*((key, key) for key in keys), ("", marked("nothing"))], view.by or "")
    if keys and frame.figure.adds_up:
        shares = [(None, marked("counts")), ("1", marked("shares"))]
        found["show"] = each("share", shares, "1" if view.share else None)
    if view.by:
        found["top"] = [
            Choice(str(top), reader.query(top=str(top)), top == view.top) for top in (1, 3, 5, MOST_LINES)
        ]
    return found


def _still_choices(links: FileLinks, frame: Frame, language: Language) -> dict[str, list[Choice]]:
    """Return the links among files: there are all ranges of the usual figure, and one of each other."""
    its, usual = frame.statistic, frame.statistic.figures[0]
    ranges = [
        Choice(language.text(RANGE_NAMES[name]), links.range(its.ident, name, ""), name == frame.reach)
        for name in RANGES
        if frame.figure is usual
    ]
    reach = default_range(its)
    figures = [
        Choice(text, links.range(its.ident, reach, "" if figure is usual else figure.name), chosen)
        for figure, text, chosen in _figures(frame, language)
    ]
    return {"figure": figures, "range": ranges}


def _figures(frame: Frame, language: Language) -> list[tuple[Figure, str, bool]]:
    """Return each figure that there is of a statistic, what it is called, and whether it is shown."""
    return [(its, named(its, language), its is frame.figure) for its in frame.statistic.figures]


def figure_options(frame: Frame, language: Language) -> list[tuple[str, str, bool]]:
    """Return the figures to choose from: the value of each, what it is called, and whether it is shown."""
    return [(its.name, text, chosen) for its, text, chosen in _figures(frame, language)]


def figure_fields(reader: Reader, frame: Frame) -> list[tuple[str, str]]:
    """Return what stays of a query when another figure is chosen, by which not all keys may be told apart."""
    apart = [("by", its.apart) for its in frame.statistic.figures if its.apart]
    return [field for field in reader.fields if field[0] not in ("figure", "share") and field not in apart]


def filters(reader: Reader, frame: Frame) -> list[Choice]:
    """Return the keys that are wanted, each with the query that no longer wants it."""
    parameters = {column: name for name, column in frame.statistic.filters.items()}
    found = []
    for column, keys in frame.view.keys.items():
        for key in keys:
            kept = [field for field in reader.fields if field != (parameters[column], key)]
            found.append(Choice(reader.language.key(key), query_of(kept) or "?", True))
    return found


@dataclass(frozen=True)
class RankedKey:
    """A key among the greatest.

    :param told: its figure
    :param query: that of the view of it alone
    :param share: of the greatest, in percent
    """

    key: str
    told: str
    query: str
    share: float


def ranking(reader: Reader, series: Series) -> list[RankedKey]:
    frame = series.frame
    parameter = next(
        (name for name, column in frame.statistic.filters.items() if column == frame.view.by), ""
    )
    numbers = [float(value or 0) for _, value in series.ranked.keys]
    greatest = max(numbers, default=1) or 1
    return [
        RankedKey(
            reader.language.key(key),
            reader.language.value(value, frame.figure.unit),
            reader.query(**{parameter: key}),
            max(0.0, round(100 * number / greatest, 1)),
        )
        for (key, value), number in zip(series.ranked.keys, numbers, strict=True)
    ]
