"""Plugins of every kind that keep who did something, and messages that name somebody wherever that can be."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from statscache.plugins import (
    Base,
    BasePlugin,
    CountingPlugin,
    DurationPlugin,
    FirstSeenPlugin,
    LatestModel,
    LatestPlugin,
    MeasuringPlugin,
    Message,
    Note,
    NoteModel,
    NotePlugin,
    counting_model,
    duration_model,
    first_seen_model,
    measuring_model,
)
from tests.support.bench import Bench
from tests.support.recounting import START, dump

#: A name as nothing else has it.
NAME = "qzxjvkwqyhzxqjvkwyqh"


class Deeds(CountingPlugin):
    name = summary = description = "deeds"
    model = counting_model("test_deeds", "deeds", person="who", who="who", what="what")

    def process(self, message: Message) -> None:
        self.count(message, message["msg"]["agent"], "a deed")
        self.count(message, message["msg"]["mail"], "a mail", amount=3)


class Topics(CountingPlugin):
    name = summary = description = "topics"
    model = counting_model("test_topics", "topics", topic="the topic")

    def process(self, message: Message) -> None:
        self.count(message, message.topic)


class Sizes(MeasuringPlugin):
    name = summary = description = "their sizes"
    model = measuring_model("test_their_sizes", "sizes", person="who", who="who")

    def process(self, message: Message) -> None:
        self.measure(message, message["msg"]["size"], message["msg"]["agent"])


class Seen(FirstSeenPlugin):
    name = summary = description = "seen"
    model = first_seen_model("test_seen", "seen", person="who", who="who")

    def process(self, message: Message) -> None:
        self.seen(message, message["msg"]["agent"])


class Lengths(DurationPlugin):
    name = summary = description = "their lengths"
    give_up = timedelta(days=1)
    model = duration_model("test_their_lengths", "lengths", person="who", who="who")

    def process(self, message: Message) -> None:
        note = self.ended if message["msg"]["ends"] else self.began
        note(message, f"of {message['msg']['agent']}", message["msg"]["agent"])


class State(LatestModel):
    """The latest deeds."""

    __tablename__ = "test_state"


class States(LatestPlugin):
    name = summary = description = "states"
    model = State

    def process(self, message: Message) -> None:
        who = message["msg"]["agent"]
        state = {"status": "done", "by": who, "text": f"{who} did it,\nso {who}", "all": [{"of": who}]}
        self.note(message, "home", f"home/{who}", state)


class Noted(NoteModel):
    """What was noted."""

    __tablename__ = "test_noted"


class Notes(NotePlugin):
    name = summary = description = "notes"
    model = Noted

    def note_of(self, message: Message) -> Note | None:
        who = message["msg"]["agent"]
        return Note(message.when, None, "other", f"a word from {who}", f"https://example.org/{who}")


class OwnRow(Base):
    """Agents, as a plugin of its own kind keeps them."""

    __tablename__ = "test_own"
    who: Mapped[str] = mapped_column(primary_key=True, info={"person": True})


class Own(BasePlugin):
    """Writes in a way of its own what it has queued."""

    name = summary = description = "own"
    model = OwnRow
    queued = True

    def process(self, message: Message) -> None:
        if message.agent is not None:
            self.queue.put(message.agent)

    def update(self, session: Session) -> None:
        for who in self.queue.drain():
            session.execute(insert(OwnRow).values(who=who).on_conflict_do_nothing())


class Stateful(Own):
    """The same with state that is no queue."""

    name = "stateful"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.seen: list[str] = []

    def process(self, message: Message) -> None:
        self.seen += message.usernames

    def update(self, session: Session) -> None:
        for who in self.seen:
            session.execute(insert(OwnRow).values(who=f"{who}").on_conflict_do_nothing())
        self.seen = []


class Refusing(CountingPlugin):
    """Counts nothing as long as the test says so."""

    name = summary = description = "refusing"
    refuses = True
    model = counting_model("test_refusing", "what is refused", person="who", who="who")

    def process(self, message: Message) -> None:
        if Refusing.refuses:
            raise ValueError(f"no, {message['msg']['agent']}, not in {message.topic}")
        self.count(message, message["msg"]["agent"])


ALL = (Deeds, Topics, Sizes, Seen, Lengths, States, Notes, Own, Stateful, Refusing)


def body(number: int, who: str, minute: int = 0) -> dict[str, Any]:
    """Return a message that names somebody in its topic, its id, its headers and free text."""
    return {
        "topic": f"org.fedoraproject.prod.pagure.issue.{who}.new",
        "msg_id": f"2023-{who}-{number}",
        "timestamp": START + 60 * minute + number % 60,
        "headers": {f"fedora_messaging_user_{who}": True, "fedora_messaging_user_other": True},
        "msg": {
            "agent": who,
            "mail": f"{who}@example.org",
            "size": number,
            "ends": number % 2 == 1,
            "text": f"{who} said\n{who}: hello",
        },
    }


def named(engine: Engine, name: str = NAME) -> dict[str, int]:
    """Return how many rows of each table have a name in them anywhere, without those that have none."""
    found = {table: sum(name in row for row in rows) for table, rows in dump(engine).items()}
    return {table: number for table, number in found.items() if number}


def in_statistics(engine: Engine, name: str = NAME) -> set[str]:
    """Return the tables of which the planner's statistics have a name in them."""
    rows = "SELECT tablename, pg_stats::text FROM pg_stats WHERE schemaname = 'public'"
    with engine.connect() as connection:
        return {table for table, row in connection.execute(text(rows)) if name in row}


def in_files(directory: Path, name: str = NAME) -> list[Path]:
    """Return the files below a directory that have a name in them."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return sorted(path for path in files if name.encode() in path.read_bytes())


def figures(bench: Bench) -> list[tuple[Any, ...]]:
    """Return totals and how many different people there are."""
    queries = (
        "SELECT timestamp, what, sum(volume), count(DISTINCT who) FROM test_deeds GROUP BY 1, 2 ORDER BY 1, 2",
        "SELECT sum(volume), count(DISTINCT topic) FROM test_topics",
        "SELECT timestamp, sum(count), sum(sum), min(least), max(greatest), count(DISTINCT who) FROM test_their_sizes "
        "GROUP BY 1 ORDER BY 1",
        "SELECT count(*), min(first), max(last) FROM test_seen",
        "SELECT timestamp, sum(volume), sum(seconds), count(DISTINCT who) FROM test_their_lengths "
        "GROUP BY 1 ORDER BY 1",
        "SELECT count(*), count(DISTINCT id) FROM test_their_lengths_event",
        "SELECT count(*) FROM test_state",
        "SELECT count(*) FROM test_noted",
        "SELECT count(*) FROM test_own",
        "SELECT count(*) FROM statscache_ledger",
        "SELECT count(*) FROM statscache_quarantine",
    )
    return [tuple(row) for query in queries for row in bench.execute(query)]
