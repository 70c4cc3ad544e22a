"""The colours of charts.

The colour-blind can tell the lines apart, by lightness as well: blue and vermilion are those of Okabe and Ito
(jfly.uni-koeln.de/color). All have a contrast of 3 to 1 or more with white.
"""

from __future__ import annotations

#: Of the lines, by their place; the page's style sheet has others for a dark scheme.
LINES = ("#0072b2", "#d55e00", "#00795a", "#aa4499", "#5b4a00", "#2f8fa8", "#7a3b2e", "#3d3d99")
#: Of the line of all other keys, and of what the range is compared with.
REST, BEFORE = "#6b7280", "#8a8f98"
INK, QUIET, RULE, PAPER = "#1b1f24", "#59616b", "#dfe3e8", "#ffffff"
GAP = "#c8651b"


def colour(place: int) -> str:
    """Return the colour of a line by its place."""
    return LINES[place % len(LINES)]
