"""A chart as a picture of its own, which says what it shows and how complete that is."""

from __future__ import annotations

from statscache.render import colours
from statscache.render.chart import LEFT, RIGHT, WIDTH, Chart
from statscache.render.svg import shown, tag, words
from statscache.render.verdict import labels, sentence

TITLE, LEGEND, NOTE = 34, 20, 34
#: So many names fit into a line of the legend.
A_LINE = 4
FONT = "system-ui, sans-serif"


def picture(chart: Chart, title: str, subtitle: str) -> str:
    """Return a chart as an SVG file."""
    names = labels(chart.series, chart.language) if len(chart.lines) > 1 else []
    lines = -(-len(names) // A_LINE)
    above = TITLE + LEGEND * (lines + 1)
    height = above + chart.height + NOTE
    verdict = sentence(chart.series, chart.language)
    note = tag(
        "text", words(f"{verdict} {subtitle}"), x=LEFT, y=height - 12, font_size=12, fill=colours.QUIET
    )
    heading = tag("text", words(title), x=LEFT, y=26, font_size=18, font_weight="600", fill=colours.INK)
    parts = [
        tag("title", words(title)),
        tag("desc", words(f"{subtitle} {verdict}")),
        tag("rect", width=WIDTH, height=height, fill=colours.PAPER),
        heading,
        *(_name(chart, place, name) for place, name in enumerate(names)),
        tag("g", chart.values_axis(), transform=f"translate(0 {above})"),
        tag(
            "svg",
            chart.plot(),
            x=LEFT,
            y=above,
            overflow="visible",
            width=WIDTH - LEFT - RIGHT,
            height=chart.height,
        ),
        note,
    ]
    given = {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {WIDTH} {height}", "role": "img"}
    return tag("svg", *parts, width=WIDTH, height=height, font_family=FONT, **given)


def _name(chart: Chart, place: int, name: str) -> str:
    """Return an entry of the legend."""
    x = LEFT + (WIDTH - LEFT) / A_LINE * (place % A_LINE)
    y = TITLE + LEGEND * (place // A_LINE) + 12
    line = tag("rect", x=x, y=y - 6, width=14, height=4, fill=chart.colour(place, chart.lines[place]))
    return line + tag("text", words(shown(name, 28)), x=x + 20, y=y, font_size=12, fill=colours.INK)
