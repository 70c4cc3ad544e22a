"""The table of the demo: what has been counted since it began."""

from __future__ import annotations

import math
from collections import Counter

from rich.table import Table
from sqlalchemy import Connection, column, func, select, table

from statscache.errors import number_of

#: What is shown: one of the tables that are there by default.
DAYS = table("data_volume_by_category_1d", column("timestamp"), column("category"), column("volume"))
#: So many categories get a line of their own.
MOST = 10
#: The longest bar, in characters.
BAR = 40
#: A character of a bar and half of one, which fonts have that lack finer ones.
WHOLE, HALF = "█", "▌"


def volumes(connection: Connection) -> Counter[str]:
    """Return how many messages of each category all windows hold."""
    query = select(DAYS.c.category, func.sum(DAYS.c.volume)).group_by(DAYS.c.category)
    return Counter({category: int(volume) for category, volume in connection.execute(query)})


def picture(sent: int, counted: Counter[str]) -> Table:
    """Return the table.

    :param counted: what has been counted of each category since the demo began
    """
    shown = Table(box=None, header_style="bold", pad_edge=False, title_justify="left", title_style="")
    shown.title = f"{number_of(sent, 'message')} sent, {counted.total()} counted"
    shown.add_column("category")
    shown.add_column("counted", justify="right")
    shown.add_column("bars: square root", no_wrap=True)
    busiest = counted.most_common(MOST)
    for category, volume in busiest:
        shown.add_row(category, str(volume), _bar(volume / busiest[0][1]))
    if rest := counted.total() - sum(volume for _, volume in busiest):
        shown.add_row(number_of(len(counted) - MOST, "other"), str(rest))
    return shown


def _bar(share: float) -> str:
    """Return a bar whose length goes with the square root, so that a small share can be seen beside a large one."""
    halves = max(1, round(2 * BAR * math.sqrt(share)))
    return WHOLE * (halves // 2) + HALF * (halves % 2)
