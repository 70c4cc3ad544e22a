"""Two hours of messages, in tables and in the archive `two_hours`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, inspect, text

from statscache.database.lock import counting
from statscache.plugins import LatestModel, LatestPlugin, Message
from statscache.span import Span
from statscache.store.coverage import cover
from statscache.store.verification import VerificationRow
from tests.support.bench import Bench

#: The start of an hour, long ago.
START = 1_699_999_200
HOURS = Span(START, START + 7200)


class LatestWord(LatestModel):
    """The last message about each word."""

    __tablename__ = "test_latest"


class Latest(LatestPlugin):
    name = summary = description = "latest"
    model = LatestWord

    def process(self, message: Message) -> None:
        self.note(message, "word", message["msg"]["word"], {"id": message.msg_id})


def body(number: int, word: str | None = None, second: float | None = None) -> dict[str, Any]:
    """Return a message; those from 0 on are sent every 10 s from START on."""
    when = START + 10 * number + 0.5 if second is None else START + second
    words = {"word": word or "abc"[number % 3]}
    return {"topic": "a.b.c.d", "msg": words, "timestamp": when, "msg_id": f"m{number}"}


def count_all(bench: Bench, numbers: Any = range(720), span: Span = HOURS) -> None:
    """Let messages come over the bus, and let their time be complete."""
    for number in numbers:
        bench.intake.accept(body(number))
    bench.flush()
    with counting(bench.engine) as connection:
        cover(connection, bench.app.plugins, span)


def refuse(word: str) -> Any:
    """Return a `process` that counts by word, and raises for one."""

    def process(self: Any, message: Any) -> None:
        if message["msg"]["word"] == word:
            raise ValueError(word)
        self.count(message, message["msg"]["word"])

    return process


def dump(engine: Engine) -> dict[str, list[str]]:
    """Return all rows of all tables, as text, but for what comparing them has found."""
    with engine.connect() as connection:
        return {
            name: sorted(connection.scalars(text(f'SELECT "{name}"::text FROM "{name}"')))
            for name in inspect(engine).get_table_names()
            if name != VerificationRow.__tablename__
        }
