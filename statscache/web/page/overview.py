"""The page that shows each statistic by its headline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from statscache.instants import write_instant, write_second
from statscache.query.completeness import in_a_cell
from statscache.query.condition import Condition, read_condition
from statscache.query.frame import Change
from statscache.query.headline import Headline, read_headline
from statscache.query.periods import Step
from statscache.query.statistics import Statistic
from statscache.query.tables import Served
from statscache.render.figures import PLAIN, captioned
from statscache.render.files import csv_of, json_of, missing_as_dicts, period_as_dict, written
from statscache.render.language import Language, marked
from statscache.render.reasons import told
from statscache.render.spark import spark
from statscache.render.troubles import troubles_of
from statscache.render.versions import counted
from statscache.web.database import ABSENT, Database
from statscache.web.errors import Refusal
from statscache.web.page.reader import Reader
from statscache.web.page.templating import drawn, rendered

#: What a file says of each statistic.
COLUMNS = (
    "statistic",
    "summary",
    "start",
    "stop",
    "step",
    "tz",
    "volume",
    "complete",
    "missing",
    "change",
    "complete_through",
    "plugin",
    "trouble",
    "figure",
    "value",
    "unit",
    "versions",
)
#: What a screen reader says of a line, and of one of messages.
FROM_TO = (
    marked("The last {count} periods: from {least} to {most}"),
    marked("The last {count} periods: from {least} to {most} messages"),
)


@dataclass(frozen=True)
class Card:
    """What the page shows of a statistic.

    :param headline: None where there is none, for the reason in `trouble`
    :param told: the figure of the headline
    :param caption: what that is, empty where it goes without saying
    :param spark: its line
    :param counted: by which versions its headline was counted, empty where that is not worth saying
    :param through: up to when its finest table is complete; None if it is not anywhere
    """

    statistic: Statistic
    headline: Headline | None
    trouble: str = ""
    told: str = ""
    caption: str = ""
    spark: str = ""
    when: str = ""
    fresh: str = ""
    in_utc: bool = False
    counted: str = ""
    through: datetime | None = None


@dataclass(frozen=True)
class Overview:
    """What the page shows.

    :param boards: the tables of latest states, by ident
    :param troubles: what is wrong with the daemon, a sentence each
    :param made: when it was read
    """

    cards: Sequence[Card]
    boards: Mapping[str, Served]
    troubles: Sequence[str]
    made: datetime


def read_overview(
    reader: Reader,
    statistics: Mapping[str, Statistic],
    boards: Mapping[str, Served],
    database: Database,
    now: datetime,
) -> Overview:
    """Return what the page shows."""
    condition, trouble = _condition(database, reader.language)
    cards = [_card(reader, its, database, now, condition) for its in statistics.values()]
    troubles = [trouble] if trouble else list(troubles_of(condition, reader.language))
    return Overview(cards, boards, troubles, now)


def made_overview(reader: Reader, overview: Overview, ending: str = "") -> bytes:
    """Return it as a page or a file.

    :param ending: csv or json; empty for the page
    """
    if ending:
        return (as_csv if ending == "csv" else as_json)(reader, overview).encode()
    return rendered(
        "overview.html",
        reader,
        cards=overview.cards,
        boards=overview.boards,
        troubles=overview.troubles,
        made=overview.made,
        Step=Step,
    )


def as_csv(reader: Reader, overview: Overview) -> str:
    """Return a line for each statistic."""
    return csv_of(COLUMNS, (_row(card, reader) for card in overview.cards))


def _row(card: Card, reader: Reader) -> dict[str, object]:
    its = _card_as_dict(card, reader)
    missing = told(card.headline.missing, reader.language) if card.headline else ""
    versions = in_a_cell(card.headline.versions) if card.headline else ""
    value = written(card.headline.figure if card.headline else None)
    return {**its, "missing": missing, "value": value, "versions": versions}


def as_json(reader: Reader, overview: Overview) -> str:
    """Return all that the page shows, fit for JSON."""
    language = reader.language
    boards = [
        {"board": ident, "summary": language.text(its.plugin.summary)}
        for ident, its in overview.boards.items()
    ]
    return json_of(
        {
            "made": write_second(int(overview.made.timestamp())),
            "troubles": list(overview.troubles),
            "statistics": [
                {**_card_as_dict(card, reader), "periods": _periods(card)} for card in overview.cards
            ],
            "boards": boards,
        }
    )


def _card_as_dict(card: Card, reader: Reader) -> dict[str, object]:
    its: dict[str, object] = dict.fromkeys(COLUMNS)
    its |= {"statistic": card.statistic.ident, "summary": reader.language.text(card.statistic.summary)}
    its["complete_through"] = None if card.through is None else write_instant(card.through)
    its["trouble"] = card.trouble
    headline = card.headline
    if headline is None:
        return its
    frame = headline.series.frame
    figure = frame.figure
    return its | {
        "start": write_second(headline.period.start),
        "stop": write_second(headline.period.stop),
        "step": str(headline.step),
        "tz": str(frame.view.zone),
        "volume": headline.figure if figure.name == PLAIN else None,
        "complete": headline.complete,
        "missing": missing_as_dicts(headline.missing),
        "change": headline.change,
        "plugin": frame.table.ident,
        "figure": figure.name,
        "value": headline.figure,
        "unit": figure.unit,
        "versions": list(headline.versions),
    }


def _periods(card: Card) -> list[dict[str, object]]:
    series = card.headline.series if card.headline else None
    return [] if series is None else [period_as_dict(series, place) for place in range(len(series.periods))]


def _condition(database: Database, language: Language) -> tuple[Condition, str]:
    """Return how the tables are, and what is told where nobody can ask."""
    try:
        return database.ask(read_condition), ""
    except Refusal as refusal:
        if refusal.sentence.message != ABSENT:
            raise
        return Condition(), language.sentence(refusal.sentence)


def _card(
    reader: Reader, statistic: Statistic, database: Database, now: datetime, condition: Condition
) -> Card:
    try:
        headline = database.ask(lambda connection: read_headline(connection, statistic, reader.zone, now))
    except Refusal as refusal:
        return Card(statistic, None, reader.language.sentence(refusal.sentence))
    language, frame = reader.language, headline.series.frame
    told = language.value(headline.figure, frame.figure.unit, short=True)
    caption = captioned(statistic, frame.figure, language)
    when = language.period(headline.period, headline.step, frame.view.zone)
    through = _through(statistic, condition)
    line = spark(headline.series, f"spark-{statistic.ident}", _label(headline, language))
    in_utc = Change.IN_UTC in frame.changes
    told_fresh = _fresh(through, condition, language)
    by = counted(headline.versions, language) if headline.versions != (frame.table.plugin.version,) else ""
    return Card(statistic, headline, "", told, caption, drawn(line), when, told_fresh, in_utc, by, through)


def _through(statistic: Statistic, condition: Condition) -> datetime | None:
    """Return up to when the finest table of a statistic is complete, as its figures need it."""
    fresh = condition.tables.get(statistic.finest.table.fullname)
    if fresh is None:
        return None
    return fresh.since_ever if statistic.finest.kind.since_ever else fresh.through


def _label(headline: Headline, language: Language) -> str:
    """Return what a screen reader says of the line."""
    totals, unit = headline.series.totals, headline.series.frame.figure.unit
    values = [value for value in totals if value is not None]
    if not values:
        return language.text("The last {count} periods: nothing", count=language.number(len(totals)))
    return language.text(
        FROM_TO[headline.series.frame.figure.name == PLAIN],
        count=language.number(len(totals)),
        least=language.value(min(values), unit),
        most=language.value(max(values), unit),
    )


def _fresh(through: datetime | None, condition: Condition, language: Language) -> str:
    """Return how new the finest table of a statistic is."""
    if condition.now is None or through is None:
        return language.text("nothing is complete yet")
    behind = max(0.0, (condition.now - through).total_seconds())
    return language.text("complete up to {ago} ago", ago=language.ago(behind))
