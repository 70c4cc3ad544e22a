"""The page that shows each statistic by its headline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from statscache.query.condition import Condition, read_condition
from statscache.query.frame import Change
from statscache.query.headline import Headline, read_headline
from statscache.query.periods import Step
from statscache.query.statistics import Statistic
from statscache.query.tables import Served
from statscache.render.language import Language
from statscache.render.spark import spark
from statscache.web.database import ABSENT, Database
from statscache.web.errors import Refusal
from statscache.web.page.reader import Reader
from statscache.web.page.templating import drawn, rendered

#: A daemon writes about once a second; longer than this, in seconds, and something is wrong.
SILENT = 60


@dataclass(frozen=True)
class Card:
    """What the page shows of a statistic.

    :param headline: None where there is none, for the reason in `trouble`
    :param spark: its line
    """

    statistic: Statistic
    headline: Headline | None
    trouble: str = ""
    spark: str = ""
    when: str = ""
    fresh: str = ""
    in_utc: bool = False


def made_overview(
    reader: Reader,
    statistics: Mapping[str, Statistic],
    boards: Mapping[str, Served],
    database: Database,
    now: datetime,
) -> bytes:
    """Return the page."""
    condition, trouble = _condition(database, reader.language)
    cards = [_card(reader, its, database, now, condition) for its in statistics.values()]
    troubles = [trouble] if trouble else list(troubles_of(condition, reader.language))
    return rendered(
        "overview.html", reader, cards=cards, boards=boards, troubles=troubles, made=now, Step=Step
    )


def _condition(database: Database, language: Language) -> tuple[Condition, str]:
    """Return how the tables are, and what is told where nobody can ask."""
    try:
        return database.ask(read_condition), ""
    except Refusal as refusal:
        if refusal.sentence.message != ABSENT:
            raise
        return Condition(), language.sentence(refusal.sentence)


def troubles_of(condition: Condition, language: Language) -> Iterator[str]:
    """Yield what is wrong with the daemon, a sentence each."""
    if condition.flushed is None:
        yield language.text("No daemon has written to this database yet.")
    elif condition.silence > SILENT:
        ago = language.ago(condition.silence)
        yield language.text("No daemon has written for {ago}: what is newer is missing here.", ago=ago)
    for plugin, reason in condition.suspended.items():
        yield language.text(
            "The plugin {plugin} is left alone for a while: {reason}", plugin=plugin, reason=reason
        )
    quarantined = sum(table.quarantined for table in condition.tables.values())
    if quarantined:
        yield language.many(
            "{count} message is in quarantine: a plugin could not count it.",
            "{count} messages are in quarantine: a plugin could not count them.",
            quarantined,
        )


def _card(
    reader: Reader, statistic: Statistic, database: Database, now: datetime, condition: Condition
) -> Card:
    try:
        headline = database.ask(lambda connection: read_headline(connection, statistic, reader.zone, now))
    except Refusal as refusal:
        return Card(statistic, None, reader.language.sentence(refusal.sentence))
    language, frame = reader.language, headline.series.frame
    when = language.period(headline.period, headline.step, frame.view.zone)
    line = spark(headline.series, f"spark-{statistic.ident}", _label(headline, language))
    in_utc = Change.IN_UTC in frame.changes
    return Card(statistic, headline, "", drawn(line), when, _fresh(statistic, condition, language), in_utc)


def _label(headline: Headline, language: Language) -> str:
    """Return what a screen reader says of the line."""
    totals = headline.series.totals
    return language.text(
        "The last {count} periods: from {least} to {most} messages",
        count=language.number(len(totals)),
        least=language.number(min(totals)),
        most=language.number(max(totals)),
    )


def _fresh(statistic: Statistic, condition: Condition, language: Language) -> str:
    """Return how new the finest table of a statistic is."""
    its = condition.tables.get(statistic.finest.table.fullname)
    if its is None or condition.now is None or its.through is None:
        return language.text("nothing is complete yet")
    behind = max(0.0, (condition.now - its.through).total_seconds())
    return language.text("complete up to {ago} ago", ago=language.ago(behind))
