"""A figure to embed anywhere: what it is, and how much."""

from __future__ import annotations

from statscache.render.svg import shown, tag, words

HEIGHT, PAD = 20, 6
#: About how wide a character is in an 11-pixel sans-serif, in pixels: narrow ones, wide ones, and all others.
NARROW, WIDE, OTHER = 4.2, 9.5, 6.6
LEFT, SURE, UNSURE = "#3b424a", "#1f6f43", "#a04a00"


def badge(label: str, figure: str, complete: bool, note: str = "") -> str:
    """Return a badge.

    :param complete: whether no message is missing from the figure; the figure says if not
    :param note: what only its title says more
    """
    label, figure = shown(label, 40), shown(figure, 40)
    title = f"{label}: {figure}{f', {note}' if note else ''}"
    left, right = _width(label), _width(figure)
    whole = left + right
    parts = [
        tag("title", words(title)),
        tag("clipPath", tag("rect", width=whole, height=HEIGHT, rx=3), id="round"),
        tag(
            "g",
            tag("rect", width=left, height=HEIGHT, fill=LEFT),
            tag("rect", x=left, width=right, height=HEIGHT, fill=SURE if complete else UNSURE),
            clip_path="url(#round)",
        ),
        _text(label, left / 2),
        _text(figure, left + right / 2),
    ]
    given = {"xmlns": "http://www.w3.org/2000/svg", "role": "img", "aria_label": title}
    return tag("svg", *parts, width=whole, height=HEIGHT, **given)


def _text(text: str, x: float) -> str:
    given = {"font_family": "Verdana, DejaVu Sans, sans-serif", "font_size": 11, "fill": "#ffffff"}
    return tag("text", words(text), x=x, y=14, text_anchor="middle", **given)


def _width(text: str) -> float:
    """Return about how wide a text is, in whole pixels, with room beside it."""
    widths = (NARROW if each in "ijlIt.,:;'|! " else WIDE if each in "mwMW%@" else OTHER for each in text)
    return round(sum(widths) + 2 * PAD)
