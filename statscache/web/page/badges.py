"""The headline of a statistic as a badge."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from statscache.query.headline import read_headline
from statscache.query.periods import Step
from statscache.query.statistics import Statistic
from statscache.render.badge import badge
from statscache.render.language import marked
from statscache.web.page.reader import Reader

#: What a badge says of the length of its period.
EACH = {
    Step.DAY: marked("{figure} a day"),
    Step.WEEK: marked("{figure} a week"),
}


def made_badge(reader: Reader, statistic: Statistic, connection: Connection, now: datetime) -> bytes:
    """Return the badge of a statistic."""
    headline = read_headline(connection, statistic, reader.zone, now, why=False)
    language = reader.language
    figure = language.short(headline.figure)
    if headline.step in EACH:
        figure = language.text(EACH[headline.step], figure=figure)
    if not headline.complete:
        figure = language.text("{figure}, incomplete", figure=figure)
    return badge(language.text(statistic.name), figure, headline.complete).encode()
