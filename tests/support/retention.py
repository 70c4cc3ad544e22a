"""A statistic with windows of three lengths, of which old rows are dropped; and what must be left, in plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from statscache.database.lock import counting
from statscache.hosting.loader import Part
from statscache.plugins import BasePlugin, CountingPlugin, Message, Rows, Schedule, counting_model
from statscache.span import Span
from statscache.store.coverage import cover
from statscache.upkeep.retention.drop import Dropped, drop_some
from statscache.upkeep.retention.outlook import outlooks
from statscache.upkeep.retention.tables import Retained, retained
from tests.support.bench import Bench
from tests.support.durations import Lengths
from tests.support.recounting import HOURS, START, body

HALF_AN_HOUR = timedelta(minutes=30)
#: The lengths of the windows of each table.
TABLES = {"test_words_1s": 1, "test_words_1m": 60, "test_words_1h": 3600}


class Seconds(CountingPlugin):
    """Counts words by the second, without a method of its own: its upserts go with the COMMIT."""

    name = summary = description = "words"
    interval = timedelta(seconds=1)
    model = counting_model("test_words_1s", "words by the second", word="the word")

    def process(self, message: Message) -> None:
        self.count(message, message["msg"]["word"])


class Minutes(Seconds):
    interval = timedelta(minutes=1)
    model = counting_model("test_words_1m", "words by the minute", word="the word")


class Hours(Seconds):
    interval = timedelta(hours=1)
    model = counting_model("test_words_1h", "words by the hour", word="the word")


class Stateful(BasePlugin):
    """Has windows, and adds in Python from state of its own."""

    name = summary = description = "stateful"
    interval = timedelta(minutes=1)
    rows = Rows.WINDOW
    keep = HALF_AN_HOUR
    model = counting_model("test_kept_stateful", "messages by the minute")

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.windows: Counter[Any] = Counter()

    def process(self, message: Message) -> None:
        assert self.schedule is not None
        self.windows[self.schedule.last(message.when)] += 1

    def update(self, session: Any) -> None:
        for window, count in self.windows.items():
            row = session.get(self.model, window) or self.model(timestamp=window, volume=0)
            row.volume += count
            session.add(row)
        session.commit()
        self.windows.clear()


class KeptLengths(Lengths):
    """Durations of which old windows are dropped though no other table has them."""

    keep = HALF_AN_HOUR


class KeptBench(Bench):
    """A daemon on such plugins, each in its own windows."""

    @staticmethod
    def _part(kind: type[BasePlugin]) -> Part:
        def make() -> BasePlugin:
            return kind(Schedule(kind.interval) if kind.interval else None, {})

        return Part(make().ident, make(), make)


def keeping(bench: Bench, **keep: timedelta) -> list[Retained]:
    """Return the tables of which old rows are to be dropped, with _ for - in an ident, and the interval after it."""
    names = {name.lstrip("_").replace("_", "-"): length for name, length in keep.items()}
    return retained(bench.app.parts, names)


def drop_all(bench: Bench, tables: Iterable[Retained], rows: int = 100) -> list[Dropped]:
    """Drop all that may be dropped, some rows at a time."""
    found = []
    for its in tables:
        while dropped := drop_some(bench.engine, its, rows):
            found.append(dropped)
    return found


def covers(bench: Bench, *plugins: str, span: Span = HOURS) -> None:
    """Let plugins have covered a time, all of them if none is named."""
    with counting(bench.engine) as connection:
        cover(connection, plugins or tuple(bench.app.plugins), span)


def sends(bench: Bench, *seconds: int, word: str = "late") -> None:
    """Let messages come over the bus that were sent so many seconds after START, and be written."""
    for second in seconds:
        bench.intake.accept({**body(0, word, second), "msg_id": f"late {second}"})
    bench.flush()


def expected(
    bodies: Iterable[dict[str, Any]], length: int, kept: Callable[[int], bool] = lambda second: True
) -> dict[tuple[int, str], int]:
    """Return what a table must hold after messages.

    :param kept: whether the window is kept that starts at a second
    """
    windows = [(int(its["timestamp"]) // length * length, its["msg"]["word"]) for its in bodies]
    return dict(Counter((start, word) for start, word in windows if kept(start)))


def rows(bench: Bench, table: str) -> dict[tuple[int, str], int]:
    """Return all rows of a table."""
    query = f"SELECT extract(epoch FROM timestamp)::bigint, word, volume FROM {table}"
    return {(second, word): volume for second, word, volume in bench.execute(query)}


def gone(bench: Bench, table: str) -> list[Span]:
    """Return what is recorded not to be kept of a table, less START."""
    query = (
        "SELECT extract(epoch FROM lower(part))::bigint, extract(epoch FROM upper(part))::bigint "
        "FROM statscache_not_kept, unnest(times) AS part WHERE table_name = :table ORDER BY 1"
    )
    return [Span(start - START, stop - START) for start, stop in bench.execute(query, table=table)]


def freshness(bench: Bench, table: str) -> Any:
    """Return what the view says of a table."""
    (found,) = bench.execute("SELECT * FROM statscache_freshness WHERE table_name = :table", table=table)
    return found


def staying(bench: Bench, tables: Iterable[Retained]) -> list[str]:
    """Return what is said of what stays."""
    with bench.engine.connect() as connection:
        return [str(its) for its in outlooks(connection, tables) if its.staying]
