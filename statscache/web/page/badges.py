"""The headline of a statistic as a badge."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from statscache.query.headline import read_headline
from statscache.query.periods import Step
from statscache.query.statistics import Statistic
from statscache.render.badge import badge
from statscache.render.figures import titled
from statscache.render.language import marked
from statscache.render.versions import counted
from statscache.web.page.reader import Reader

#: What a badge says of the length of its period.
EACH = {
    Step.DAY: marked("{figure} a day"),
    Step.WEEK: marked("{figure} a week"),
}


def made_badge(
    reader: Reader, statistic: Statistic, figure: str, connection: Connection, now: datetime
) -> bytes:
    """Return the badge of a statistic.

    :param figure: as in `View`
    """
    headline = read_headline(connection, statistic, reader.zone, now, why=False, figure=figure)
    language, its = reader.language, statistic.figure(figure)
    told = language.value(headline.figure, its.unit, short=True)
    if headline.step in EACH and its.zero:
        told = language.text(EACH[headline.step], figure=told)
    if not headline.complete:
        told = language.text("{figure}, incomplete", figure=told)
    title = titled(language.text(statistic.name), statistic, its, language)
    several = counted(headline.versions, language) if len(headline.versions) > 1 else ""
    return badge(title, told, headline.complete, several).encode()
