"""What a run comes to: figures, each beside its control and its bar."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from rich.table import Table


@dataclass(frozen=True)
class Bar:
    """What a figure is to reach: at least or at most so much, and so much of the control.

    :param ratio: at least so much of the control
    :param within: at most so much of the control
    """

    least: float | None = None
    most: float | None = None
    ratio: float | None = None
    within: float | None = None

    def met(self, value: float, ratio: float | None) -> bool:
        """Return whether a figure reaches it."""
        enough = self.least is None or value >= self.least
        little = self.most is None or value <= self.most
        good = self.ratio is None or (ratio is not None and ratio >= self.ratio)
        near = self.within is None or (ratio is not None and ratio <= self.within)
        return enough and little and good and near

    def __str__(self) -> str:
        parts = [
            f"{sign} {shown(number)}{what}"
            for sign, number, what in (
                ("≥", self.least, ""),
                ("≤", self.most, ""),
                ("≥", self.ratio, " of control"),
                ("≤", self.within, " of control"),
            )
            if number is not None
        ]
        return ", ".join(parts)


@dataclass
class Figure:
    """A figure: the median of its rounds.

    :param rounds: what each round came to
    :param controls: what the control came to in each
    """

    name: str
    unit: str
    rounds: list[float]
    controls: list[float] = field(default_factory=list)
    control_is: str = ""
    bar: Bar | None = None

    @property
    def value(self) -> float:
        """The figure itself."""
        return median(self.rounds)

    @property
    def control(self) -> float | None:
        """The control's."""
        return median(self.controls) if self.controls else None

    @property
    def ratio(self) -> float | None:
        """The figure by its control."""
        return self.value / self.control if self.control else None

    @property
    def met(self) -> bool | None:
        """Whether it reaches its bar; None if it has none."""
        return None if self.bar is None else self.bar.met(self.value, self.ratio)

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        computed = {"value": self.value, "control": self.control, "ratio": self.ratio, "met": self.met}
        return {**asdict(self), **computed, "bar": str(self.bar) if self.bar else None}


def table_of(figures: Iterable[Figure]) -> Table:
    """Return the figures as a table."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("figure", overflow="fold")
    for heading in ("value", "control", "ratio"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("unit", "bar", ""):
        table.add_column(heading, no_wrap=True)
    for figure in figures:
        table.add_row(*_row(figure))
    return table


def _row(figure: Figure) -> list[str]:
    numbers = (figure.value, figure.control)
    verdict = {None: "", True: "[green]met", False: "[red]not met"}[figure.met]
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    bar = "" if figure.bar is None else str(figure.bar)
    return [figure.name, *("" if n is None else shown(n) for n in numbers), ratio, figure.unit, bar, verdict]


def shown(number: float) -> str:
    """Return a number with as many digits as are worth something."""
    if abs(number) >= 100 or number == int(number):
        return f"{number:,.0f}"
    return f"{number:.3g}"
