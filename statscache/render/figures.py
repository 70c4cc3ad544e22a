"""What the figures of statistics are called."""

from __future__ import annotations

from statscache.query.figures import SECONDS, Figure
from statscache.query.statistics import Statistic
from statscache.render.language import Language, marked

NAMES = {
    "volume": marked("How many"),
    "people": marked("People"),
    "new": marked("New"),
    "sum": marked("Sum"),
    "count": marked("Number of values"),
    "mean": marked("Mean"),
    "least": marked("Least"),
    "greatest": marked("Greatest"),
    "median": marked("Median"),
    "p90": marked("90 % take at most"),
    "without_begin": marked("Ended without a begin"),
}
#: What goes without saying, where it is what is usually shown.
PLAIN = "volume"


def named(figure: Figure, language: Language) -> str:
    """Return what a figure is called, and in what it is measured."""
    name = language.text(NAMES.get(figure.name, figure.name))
    return f"{name} ({language.text(figure.unit)})" if figure.unit not in ("", SECONDS) else name


def titled(title: str, statistic: Statistic, figure: Figure, language: Language) -> str:
    """Return a title with what is shown of a statistic, unless that goes without saying."""
    caption = captioned(statistic, figure, language)
    return f"{title} \N{MIDDLE DOT} {caption}" if caption else title


def captioned(statistic: Statistic, figure: Figure, language: Language) -> str:
    """Return what is shown of a statistic, empty where that goes without saying."""
    return "" if figure.name == PLAIN == statistic.figures[0].name else named(figure, language)
