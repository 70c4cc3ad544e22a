"""The links that change a view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from statscache.query.frame import Frame
from statscache.query.series import Series
from statscache.query.view import COMPARISONS, MOST_LINES, RANGES, steps_for
from statscache.render.language import marked
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


def filters(reader: Reader, frame: Frame) -> list[Choice]:
    """Return the keys that are wanted, each with the query that no longer wants it."""
    parameters = {column: name for name, column in frame.statistic.filters.items()}
    found = []
    for column, keys in frame.view.keys.items():
        for key in keys:
            kept = [field for field in reader.fields if field != (parameters[column], key)]
            found.append(Choice(key, query_of(kept) or "?", True))
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


def ranking(reader: Reader, series: Series) -> list[RankedKey]:
    frame = series.frame
    parameter = next(
        (name for name, column in frame.statistic.filters.items() if column == frame.view.by), ""
    )
    greatest = max((volume for _, volume in series.ranked.keys), default=1) or 1
    return [
        RankedKey(key, volume, reader.query(**{parameter: key}), round(100 * volume / greatest, 1))
        for key, volume in series.ranked.keys
    ]
