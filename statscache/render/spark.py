"""A line so small that it stands beside a figure."""

from __future__ import annotations

from statscache.query.columns import INTEGER
from statscache.query.missing import Reason
from statscache.query.series import Series
from statscache.render import colours
from statscache.render.reasons import kind_of
from statscache.render.runs import runs_of, stretches
from statscache.render.scale import scale_for
from statscache.render.svg import path, tag

WIDTH, HEIGHT, MARGIN = 240, 48, 3


def spark(series: Series, id: str, label: str) -> str:
    """Return the totals of a series as a small line.

    :param id: what the name of its hatching begins with
    :param label: what a screen reader says of it
    """
    values, complete = series.totals, series.complete
    count, whole = len(values), series.frame.figure.kind is INTEGER
    scale = scale_for([float(value) for value in values if value is not None], whole=whole)

    def point(place: int) -> tuple[float, float]:
        up = HEIGHT - 2 * MARGIN
        return WIDTH * (place + 0.5) / count, MARGIN + up * (1 - scale.share(float(values[place] or 0)))

    runs = runs_of(values, complete, series.frame.figure.nothing)
    line = {"fill": "none", "stroke": colours.LINES[0], "stroke_width": 2, "stroke_linejoin": "round"}
    line |= {"vector_effect": "non-scaling-stroke"}
    parts = [tag("defs", _hatch(f"{id}-gap", 1.4), _hatch(f"{id}-uncounted", 0.5))]
    for start, stop, kind in stretches([kind_of(missing) for missing in series.missing]):
        if kind is Reason.UNFINISHED:
            continue
        pattern = "uncounted" if kind in (Reason.UNCOUNTED, Reason.NOT_KEPT) else "gap"
        given = {"y": 0, "height": HEIGHT, "fill": f"url(#{id}-{pattern})"}
        parts.append(tag("rect", x=WIDTH * start / count, width=WIDTH * (stop - start) / count, **given))
    for its, dashes in ((runs.sure, None), (runs.unsure, "4 3")):
        if its:
            drawn = path([point(place) for place in run] for run in its)
            parts.append(tag("path", d=drawn, stroke_dasharray=dashes, class_="line0", **line))
    for place in runs.alone:
        x, y = point(place)
        parts.append(tag("circle", cx=x, cy=y, r=2, fill=colours.LINES[0], class_="line0 point"))
    box = f"0 0 {WIDTH} {HEIGHT}"
    given = {"viewBox": box, "preserveAspectRatio": "none", "role": "img", "aria_label": label}
    return tag("svg", *parts, class_="spark", height=HEIGHT, **given)


def _hatch(id: str, width: float) -> str:
    line = tag("path", d="M0 0V6", stroke=colours.GAP, stroke_width=width, class_="gap")
    given = {"width": 6, "height": 6, "patternUnits": "userSpaceOnUse", "patternTransform": "rotate(45)"}
    return tag("pattern", line, id=id, **given)
