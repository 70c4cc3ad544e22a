"""Plugins that take notes from the bus: what charts show as lines beside figures, such as releases and outages."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Index,
    Insert,
    Table,
    Text,
    cast,
    collate,
    func,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP, distinct_on, insert
from sqlalchemy.orm import Mapped, Session, declared_attr, mapped_column

from statscache.database.arrays import array_of_texts, column_named
from statscache.database.model import Base
from statscache.errors import Unstorable
from statscache.messages.message import Message
from statscache.messages.pseudonyms import Pseudonyms
from statscache.plugins.base import BasePlugin
from statscache.plugins.keys import check_key, check_text, shortened
from statscache.plugins.rows import Rows
from statscache.plugins.windows import changing

#: What a note can be about.
KINDS = ("release", "outage", "other")
#: The longest text and the longest link of a note, in characters.
LONGEST_TEXT, LONGEST_LINK = 1000, 2000
LINK = re.compile(r"https?://[^\s/]\S*")
#: The first and the last instant that a note can have.
FIRST, LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
#: The columns of a `NoteModel` in the order of what is queued.
COLUMNS = ("key", "timestamp", "msg_id", "start", "stop", "kind", "text", "link")
INSTANTS = ("timestamp", "start", "stop")
#: Those that may name somebody.
TEXTS = ("key", "text", "link")
#: The second of the message, then a text for each column, empty for none.
Queued = tuple[int, str, str, str, str, str, str, str, str]


@dataclass(frozen=True)
class Note:
    """What happened at an instant, or from one to another.

    :param start: an aware datetime
    :param stop: where it ends; None for an instant
    :param kind: one of ``release``, ``outage`` and ``other``
    :param text: what happened, in one line of at most 1,000 characters
    :param link: a page about it, with http or https, of at most 2,000 characters; None for none
    """

    start: datetime
    stop: datetime | None
    kind: str
    text: str
    link: str | None = None


def checked(note: Note) -> Note:
    """Return a note as it is kept: in whole seconds, as archives have them, and without needless white space.

    :raises Unstorable: if it is not one that can be kept; one sentence that says why
    """
    start, stop = (None if each is None else each.replace(microsecond=0) for each in (note.start, note.stop))
    text = " ".join(note.text.split())
    check_text(text)
    if not 0 < len(text) <= LONGEST_TEXT:
        raise Unstorable(f"a note's text must have 1 to {LONGEST_TEXT} characters, and this has {len(text)}")
    if note.kind not in KINDS:
        raise Unstorable(f"a note's kind must be one of {', '.join(KINDS)}, not {shortened(note.kind)}")
    if note.link is not None and not is_link(note.link):
        raise Unstorable(
            f"a note's link must begin with http:// or https:// and have at most {LONGEST_LINK} characters and no "
            f"space, which {shortened(note.link)} does not"
        )
    assert start is not None
    if not FIRST <= start <= (stop or LAST) <= LAST:
        raise Unstorable(
            "a note's start must not come after its stop, and both must lie in the years 1 to 9999"
        )
    return replace(note, start=start, stop=stop, text=text)


def is_link(text: str) -> bool:
    """Return whether a text is a link that a note can have."""
    try:
        check_text(text)
    except Unstorable:
        return False
    return len(text) <= LONGEST_LINK and LINK.fullmatch(text) is not None


def constraints() -> tuple[CheckConstraint, ...]:
    """Return what a table holds its notes to, whoever writes them."""
    kinds = ", ".join(f"'{kind}'" for kind in KINDS)
    first, last = (f"timestamptz '{when.isoformat()}'" for when in (FIRST, LAST))
    return (
        CheckConstraint(f"kind IN ({kinds})"),
        CheckConstraint(f"char_length(text) BETWEEN 1 AND {LONGEST_TEXT}"),
        CheckConstraint(f"link ~ '^https?://' AND char_length(link) <= {LONGEST_LINK}"),
        CheckConstraint(f"start BETWEEN {first} AND {last} AND stop BETWEEN start AND {last}"),
    )


class NoteColumns:
    """What every table of notes has."""

    start: Mapped[datetime] = mapped_column(comment="when it happened, or began")
    stop: Mapped[datetime | None] = mapped_column(comment="when it ended; null for an instant")
    kind: Mapped[str] = mapped_column(comment="release, outage or other")
    text: Mapped[str] = mapped_column(comment="what happened, in one line")
    link: Mapped[str | None] = mapped_column(comment="a page about it; null if there is none")


class NoteModel(NoteColumns, Base):
    """Notes taken from messages. A subclass has a `__tablename__`; its docstring is the table's comment.

    The columns are `key`, what tells a note from others (`text`, the primary key), `timestamp` (when the message was
    sent that says so), `msg_id` (that message's id), `start`, `stop` (null for an instant), `kind`, `text`, and `link`
    (null for none).
    """

    __abstract__ = True

    key: Mapped[str] = mapped_column(
        primary_key=True, sort_order=-3, comment="what tells it from other notes"
    )
    timestamp: Mapped[datetime] = mapped_column(
        sort_order=-2, comment="when the message was sent that says so"
    )
    msg_id: Mapped[str] = mapped_column(sort_order=-1, comment="that message's id, as in the ledger")

    @declared_attr.directive
    def __table_args__(cls) -> Any:
        name = cls.__tablename__
        indexes = Index(f"{name}_by_start", "start"), Index(f"{name}_by_timestamp", "timestamp", "key")
        return (*indexes, *constraints(), {"comment": (cls.__doc__ or "").strip()})


class NotePlugin(BasePlugin, ABC):
    """A plugin that defines `note_of`. Its `model` is a `NoteModel`, and it needs no `process` or `update` of its own.

    Of several messages with the same key the later one's note is kept, whatever their order of arrival: the greater
    whole second wins (archives cut timestamps to seconds), then the greater id.
    """

    queued: ClassVar[bool] = True
    rows: ClassVar[Rows | None] = Rows.LATEST

    @abstractmethod
    def note_of(self, message: Message) -> Note | None:
        """Return what there is to note of a message, None for nothing.

        :raises Exception: anything, as for `process`
        """

    def key_of(self, message: Message) -> str:
        """Return what tells the note of a message from others: by default the message's id.

        Where messages about one thing replace each other's note, such as an outage's begin and end, it is the thing.
        """
        return message.id

    def process(self, message: Message) -> None:
        """Note what there is to note.

        :raises Unstorable: if the note, or its key, is not one that can be kept
        """
        note = self.note_of(message)
        if note is not None:
            self.queue.put(_queued(message, self.key_of(message), checked(note)))

    def renamed(self, items: list[Any], pseudonyms: Pseudonyms) -> list[Any]:
        """Return notes without the names of people who are forgotten."""
        return [tuple(_without_names(note, pseudonyms)) for note in items]

    def update(self, session: Session) -> None:
        """Write the notes that are later than those in the table."""
        notes = self.queue.drain()
        if notes:
            options = changing([note[0] for note in notes], rows=len(notes), surely=False)
            session.execute(_upsert(self.model), _arrays(notes), execution_options=options)


def _queued(message: Message, key: str, note: Note) -> Queued:
    check_key(key)
    stop = note.stop.isoformat() if note.stop else ""
    when = message.when.isoformat()
    texts = (note.start.isoformat(), stop, note.kind, note.text, note.link or "")
    return (message.second, key, when, message.id, *texts)


def _without_names(note: Queued, pseudonyms: Pseudonyms) -> Iterable[Any]:
    for name, text in zip(("second", *COLUMNS), note, strict=True):
        yield pseudonyms.throughout(text) if name in TEXTS and isinstance(text, str) else text


def _arrays(notes: Sequence[Queued]) -> dict[str, str]:
    """Return notes as an array for each column."""
    _, *columns = zip(*notes, strict=True)
    return {f"{name}s": array_of_texts(texts) for name, texts in zip(COLUMNS, columns, strict=True)}


def lateness(row: Any) -> list[ColumnElement[Any]]:
    """Return what decides which of two notes is later."""
    return [func.date_trunc("second", row.timestamp), collate(row.msg_id, "C")]


@lru_cache(1024)
def _upsert(model: type[NoteModel]) -> Insert:
    """Return what writes the later ones of notes, given an array for each column."""
    table = model.__table__
    assert isinstance(table, Table)
    texts = select(*(column_named(f"{name}s", Text).label(name) for name in COLUMNS)).subquery("texts")
    given = select(*(_typed(texts.c[name], name) for name in COLUMNS)).subquery("given")
    latest = (
        select(*given.c)
        .ext(distinct_on(given.c.key))
        .order_by(given.c.key, *(part.desc() for part in lateness(given.c)))
    )
    statement = insert(table).from_select(list(COLUMNS), latest, include_defaults=False)
    return statement.on_conflict_do_update(
        index_elements=["key"],
        set_={name: statement.excluded[name] for name in COLUMNS if name != "key"},
        where=tuple_(*lateness(statement.excluded)) > tuple_(*lateness(model)),
    )


def _typed(text: ColumnElement[Any], name: str) -> ColumnElement[Any]:
    """Return a column's value, given as a text."""
    value = func.nullif(text, "") if name in ("stop", "link") else text
    return (cast(value, TIMESTAMP(timezone=True)) if name in INSTANTS else value).label(name)
