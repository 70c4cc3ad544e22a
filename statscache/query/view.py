"""What a reader wants to see of a statistic: the parameters of its page, its picture and its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from statscache.query import parameters as given
from statscache.query.errors import BadQuestion
from statscache.query.figures import Figure
from statscache.query.parameters import Parameter, zone_of
from statscache.query.periods import LENGTHS, Step
from statscache.query.statistics import Statistic, schedule_of

#: How long the ranges are that have a name; `all` begins with the first row.
RANGES = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=28),
    "quarter": timedelta(days=91),
    "year": timedelta(days=365),
    "all": None,
}
#: What a range is compared with: as many periods just before it, or the same of the year before.
COMPARISONS = ("before", "year")
SCALES = ("linear", "log")
#: How many keys have a line of their own, and how many may have.
TOP, MOST_LINES = 5, 8
UTC_ZONE = ZoneInfo("UTC")


@dataclass(frozen=True)
class View:
    """What is wanted of a statistic.

    :param reach: the name of a range that ends now; None where `start` is given
    :param start: in place of a range with a name
    :param stop: None for now
    :param step: None for one that suits the range
    :param by: the key column whose values have a line each; None for one line
    :param keys: the values wanted, by key column; all where there are none
    :param compare: one of `COMPARISONS`, None for no comparison
    :param figure: the name of what is shown; empty for what is shown unless somebody chooses
    """

    reach: str | None = None
    start: datetime | None = None
    stop: datetime | None = None
    step: Step | None = None
    zone: ZoneInfo = UTC_ZONE
    by: str | None = None
    top: int = TOP
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    compare: str | None = None
    share: bool = False
    log: bool = False
    figure: str = ""


def view_parameters(statistic: Statistic) -> dict[str, Parameter]:
    """Return the parameters of a statistic's view, by name."""
    about = "A range that ends now; start, and stop, give any other."
    taken = [
        given.choice("range", RANGES, about),
        given.START,
        given.STOP,
        given.choice(
            "step", [str(step) for step in Step], "How long each period is; by default what suits the range."
        ),
        Parameter(
            "tz", "The time zone of the periods, by its IANA name.", {"type": "string"}, zone_of, many=False
        ),
        given.whole(
            "top", MOST_LINES, "So many keys have a line each, those with the most; the rest is one line."
        ),
        given.choice(
            "compare", COMPARISONS, "Also show the time just before, or the same time a year before."
        ),
        given.choice("share", ("1",), "Show shares of the total."),
        given.choice("scale", SCALES, "The scale of the chart.", SCALES[0]),
        figure_parameter(statistic),
    ]
    if statistic.keys:
        taken.append(
            given.choice(
                "by", ("", *statistic.keys), "The key whose values have a line each; empty for none."
            )
        )
    taken += [given.key(name, column) for name, column in statistic.filters.items()]
    return {parameter.name: parameter for parameter in taken}


def figure_parameter(statistic: Statistic) -> Parameter:
    """Return the parameter that chooses a figure of a statistic."""
    names = [figure.name for figure in statistic.figures]
    return given.choice("figure", names, "What is shown of it.", names[0])


def view_of(statistic: Statistic, values: Mapping[str, Any]) -> View:
    """Return what the values of these parameters ask for.

    :raises BadQuestion: if they contradict each other
    """
    start, stop = values.get("start"), values.get("stop")
    _check_range(values, start, stop)
    figure = values.get("figure", "")
    # What is compared is the total, so that the total is shown beside it unless somebody asks for keys.
    usual = "" if "compare" in values else usual_key(statistic, figure)
    by = values.get("by", usual) or None
    _check_figure(statistic.figure(figure), by, "share" in values)
    keys = {
        column: tuple(dict.fromkeys(values[name]))
        for name, column in statistic.filters.items()
        if name in values
    }
    return View(
        None if start else values.get("range"),
        start,
        stop,
        Step(values["step"]) if "step" in values else None,
        values.get("tz", UTC_ZONE),
        by,
        values.get("top", TOP),
        keys,
        values.get("compare"),
        "share" in values,
        values.get("scale") == "log",
        figure,
    )


def usual_key(statistic: Statistic, figure: str) -> str | None:
    """Return the key whose values have a line each where nobody names one, None for none."""
    return next(iter(keys_for(statistic, statistic.figure(figure))), None)


def keys_for(statistic: Statistic, figure: Figure) -> list[str]:
    """Return the keys by which a figure can be told apart."""
    return [key for key in statistic.keys if key != figure.apart]


def _check_figure(figure: Figure, by: str | None, share: bool) -> None:
    if by is not None and by == figure.apart:
        raise BadQuestion(
            "figure={figure} is not told apart by {by}: choose another", figure=figure.name, by=by
        )
    if share and not figure.adds_up:
        raise BadQuestion(
            "figure={figure} has no shares, since its parts do not add up: leave out share",
            figure=figure.name,
        )


def _check_range(values: Mapping[str, Any], start: datetime | None, stop: datetime | None) -> None:
    if stop is not None and start is None:
        raise BadQuestion("stop needs a start, which range does not give: name both, or only range")
    if start is not None and "range" in values:
        raise BadQuestion("range and start exclude each other: leave out one of them")
    if start is not None and start >= (stop or datetime.now(UTC)):
        raise BadQuestion("start must be before stop, and before now where stop is left out")


def steps_for(statistic: Statistic, steps: Iterable[Step] = Step) -> list[Step]:
    """Return the steps that the windows of a statistic make up, in UTC."""
    seconds = schedule_of(statistic.finest).seconds
    return [step for step in steps if seconds <= LENGTHS[step]]
