"""The chart of a statistic, the same on the page, as a picture and without a script.

Its width is that of the page: lengths along it are shares of the width, and only what is joined by lines lies in a
drawing that is stretched. So the texts keep their size on any screen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from statscache.plugins import Note
from statscache.query.columns import INTEGER
from statscache.query.figures import SECONDS, Number
from statscache.query.missing import Missing, Reason
from statscache.query.series import Line, Series
from statscache.render import axis, colours
from statscache.render.language import Language
from statscache.render.reasons import kind_of, told
from statscache.render.runs import Runs, runs_of, stretches
from statscache.render.scale import Scale, nice_seconds, nice_step, scale_for
from statscache.render.svg import path, percent, shown, tag, words

#: In pixels: what is left beside the plot and under it, the height of the plot, and its width where it is fixed.
LEFT, TOP, RIGHT, FOOT, HEIGHT, WIDTH = 64, 12, 14, 30, 300, 960
#: The width of the drawing that is stretched.
STRETCH = 1000
#: Above so many points, none is marked by itself.
MARKED = 400
TITLES = 8


@dataclass(frozen=True)
class Chart:
    """A chart of a series.

    :param id: what the names of its parts begin with, so that a page can have several
    """

    series: Series
    language: Language
    notes: Sequence[Note] = ()
    id: str = "chart"
    lines: tuple[Line, ...] = field(init=False)
    scale: Scale = field(init=False)

    def __post_init__(self) -> None:
        view = self.series.frame.view
        object.__setattr__(self, "lines", self.series.lines)
        values = [value for line in self.lines for value in self.values(line)]
        if self.series.before is not None and not view.share:
            values += self.series.before.volumes
        figure = self.series.frame.figure
        whole = not view.share and figure.kind is INTEGER
        step = nice_seconds if figure.unit == SECONDS and not view.share else nice_step
        numbers = [float(value) for value in values if value is not None]
        object.__setattr__(self, "scale", scale_for(numbers, view.log, whole, step))

    @property
    def height(self) -> int:
        """The height of it all, in pixels."""
        return TOP + HEIGHT + FOOT

    def values(self, line: Line) -> list[Number | None]:
        """Return what is drawn of a line: its figures, or their shares of the totals."""
        if not self.series.frame.view.share:
            return list(line.volumes)
        both: Any = zip(line.volumes, self.series.totals, strict=True)
        return [volume / total if total else None for volume, total in both]

    def x(self, place: int) -> float:
        """Return where the middle of a period lies, as a share of the width."""
        return (place + 0.5) / len(self.series.periods)

    def y(self, value: Number) -> float:
        """Return where a value lies, in pixels from the top of the plot."""
        return HEIGHT * (1 - self.scale.share(float(value)))

    def values_axis(self) -> str:
        """Return what stands left of the plot, `LEFT` wide and `height` high."""
        given = {"text_anchor": "end", "font_size": 12, "fill": colours.QUIET, "class_": "quiet"}
        return "".join(
            tag("text", words(self.named(value)), x=LEFT - 8, y=TOP + self.y(value) + 4, **given)
            for value in self.scale.ticks
        )

    def plot(self) -> str:
        """Return what is drawn in a frame of any width that is `height` high."""
        parts = [
            *self._grid(),
            *self._gaps(),
            *self._notes(),
            self._curves(),
            *self._marks(),
            *self._times_axis(),
        ]
        return self._hatch() + tag("g", *parts, transform=f"translate(0 {TOP})", class_="plot")

    def _hatch(self) -> str:
        def pattern(name: str, width: float) -> str:
            line = tag("path", d="M0 0V8", stroke=colours.GAP, stroke_width=width, class_="gap")
            given = {"width": 8, "height": 8, "patternUnits": "userSpaceOnUse"}
            return tag("pattern", line, id=f"{self.id}-{name}", patternTransform="rotate(45)", **given)

        return tag("defs", pattern("gap", 2.5), pattern("uncounted", 0.8))

    def named(self, value: float) -> str:
        """Return a value as the axis names it."""
        frame, language = self.series.frame, self.language
        return language.share(value) if frame.view.share else language.value(value, frame.figure.unit, True)

    def _grid(self) -> Iterator[str]:
        for value in self.scale.ticks:
            y = self.y(value)
            yield tag("line", x1=0, x2="100%", y1=y, y2=y, stroke=colours.RULE, class_="rule")

    def _gaps(self) -> Iterator[str]:
        """Yield a hatched field for each stretch of time that is not complete, with the reasons as its title."""
        count = len(self.series.periods)
        for start, stop, kind in stretches([kind_of(missing) for missing in self.series.missing]):
            missing = list(dict.fromkeys(each for its in self.series.missing[start:stop] for each in its))
            pattern = "uncounted" if kind in (Reason.UNCOUNTED, Reason.NOT_KEPT) else "gap"
            if kind is Reason.UNFINISHED:
                continue
            title = tag("title", words(self._why(start, stop, missing)))
            given = {"y": 0, "height": HEIGHT, "fill": f"url(#{self.id}-{pattern})"}
            yield tag("rect", title, x=percent(start / count), width=percent((stop - start) / count), **given)

    def _why(self, start: int, stop: int, missing: Sequence[Missing]) -> str:
        frame, language = self.series.frame, self.language
        first = language.period(frame.periods[start], frame.step, frame.view.zone)
        last = language.period(frame.periods[stop - 1], frame.step, frame.view.zone)
        when = first if stop == start + 1 else f"{first} \N{EN DASH} {last}"
        return f"{when}: {told(missing[:TITLES], language)}"

    def _notes(self) -> Iterator[str]:
        periods = self.series.periods
        start, stop = periods[0].start, periods[-1].stop
        for note in self.notes:
            second = note.start.timestamp()
            if not start <= second < stop:
                continue
            place = next(number for number, period in enumerate(periods) if period.stop > second)
            inside = (second - periods[place].start) / (periods[place].stop - periods[place].start)
            x = percent((place + inside) / len(periods))
            title = tag(
                "title",
                words(
                    f"{self.language.instant(note.start, self.series.frame.view.zone)}: {shown(note.text, 200)}"
                ),
            )
            line = {"stroke": colours.QUIET, "stroke_width": 1.5, "class_": f"note {note.kind}"}
            yield tag("line", title, x1=x, x2=x, y1=0, y2=HEIGHT, **line)
            yield tag("circle", title, cx=x, cy=0, r=4, fill=colours.QUIET, class_=f"note {note.kind}")

    def _curves(self) -> str:
        """Return what lies in the drawing that is stretched."""
        curves = list(self._before())
        for place, line in reversed(list(enumerate(self.lines))):
            curves += self._curve(place, line)
        box = f"0 0 {STRETCH} {HEIGHT}"
        given = {"viewBox": box, "preserveAspectRatio": "none", "width": "100%", "height": HEIGHT}
        return tag("svg", *curves, overflow="visible", **given)

    def _before(self) -> Iterator[str]:
        before = self.series.before
        if before is not None and not self.series.frame.view.share:
            runs = self._runs(before.volumes, self.series.before_complete)
            yield from self._strokes(runs, before.volumes, colours.BEFORE, "before", 1.5)

    def _runs(self, values: Sequence[Number | None], complete: Sequence[bool]) -> Runs:
        return runs_of(values, complete, self.series.frame.figure.nothing)

    def _curve(self, place: int, line: Line) -> Iterator[str]:
        values = self.values(line)
        runs = self._runs(values, self.series.complete)
        yield from self._strokes(runs, values, self.colour(place, line), name_of(place, line), 2)

    def _strokes(
        self, runs: Runs, values: Sequence[Number | None], colour: str, name: str, width: float
    ) -> Iterator[str]:
        given = {"fill": "none", "stroke": colour, "stroke_width": width, "stroke_linejoin": "round"}
        given |= {"vector_effect": "non-scaling-stroke"}
        for its, dashes in ((runs.sure, None), (runs.unsure, "5 4")):
            if its:
                line = path(
                    [(STRETCH * self.x(place), self.y(values[place] or 0)) for place in run] for run in its
                )
                yield tag("path", d=line, stroke_dasharray=dashes, class_=name, **given)

    def colour(self, place: int, line: Line) -> str:
        """Return the colour of a line."""
        return colours.REST if line.rest else colours.colour(place)

    def _marks(self) -> Iterator[str]:
        """Yield points that no line shows: those alone, and a hollow one for each zero that is not known to be one."""
        if len(self.series.periods) > MARKED:
            return
        for place, line in enumerate(self.lines):
            values = self.values(line)
            runs = self._runs(values, self.series.complete)
            name, colour = name_of(place, line), self.colour(place, line)
            for point in runs.alone:
                yield self._point(point, values[point], r=3, fill=colour, class_=f"{name} point")
            hollow, last = {run[0] for run in runs.unsure if len(run) == 1}, len(values) - 1
            if not self.series.complete[last] and values[last] not in (
                None,
                self.series.frame.figure.nothing,
            ):
                hollow.add(last)
            for point in sorted(hollow):
                yield self._hollow(point, values[point], colour, name)
        for point in self._runs(self.series.totals, self.series.complete).unknown:
            if kind_of(self.series.missing[point]) is not Reason.UNCOUNTED:
                yield self._hollow(point, 0, colours.QUIET, "unknown")

    def _point(self, place: int, value: Number | None, **given: Any) -> str:
        return tag("circle", cx=percent(self.x(place)), cy=self.y(value or 0), **given)

    def _hollow(self, place: int, value: Number | None, colour: str, name: str) -> str:
        paint = {"fill": colours.PAPER, "stroke": colour, "stroke_width": 1.5}
        return self._point(place, value, r=3, class_=f"{name} hollow", **paint)

    def _times_axis(self) -> Iterator[str]:
        frame = self.series.frame
        count = len(frame.periods)
        for name in axis.names(frame.periods, frame.step, frame.view.zone, self.language):
            x = percent(name.place / count)
            minor = " minor" if name.minor else ""
            yield tag("line", x1=x, x2=x, y1=HEIGHT, y2=HEIGHT + 5, stroke=colours.QUIET, class_="tick")
            given = {"font_size": 12, "fill": colours.QUIET, "text_anchor": _anchor(name.place, count)}
            yield tag("text", words(name.text), x=x, y=HEIGHT + 20, class_=f"quiet{minor}", **given)


def _anchor(place: int, count: int) -> str:
    """Return which end of a name stands at its period: on the left there is room beside the values."""
    return "end" if place / count > 0.96 else "middle"


def name_of(place: int, line: Line) -> str:
    """Return the class of what is drawn of a line."""
    return "rest" if line.rest else f"line{place % len(colours.LINES)}"
