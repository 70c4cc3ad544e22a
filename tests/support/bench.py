"""A daemon on plugins of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import Engine, text

from statscache.app import App
from statscache.daemon import Daemon
from statscache.database.engine import make_engine
from statscache.hosting.loader import Part
from statscache.messages import rules
from statscache.plugins import Base, BasePlugin, CountingPlugin, Message, Schedule, counting_model
from statscache.plugins.in_windows import tables_of
from statscache.schema.freshness import create_views
from statscache.schema.partitioning import make_partitions, partitioned
from statscache.schema.prepare import CORE_TABLES
from statscache.schema.registry import register
from statscache.schema.tables import create_tables
from statscache.schema.watching import note_dropped, watch
from statscache.settings import Settings
from statscache.store.remade import times_remade

MINUTE = Schedule(timedelta(minutes=1))


class Good(CountingPlugin):
    name = summary = description = "good"
    model = counting_model("test_good", "messages by their word", word="the word")

    def process(self, message: Message) -> None:
        self.count(message, message["msg"]["word"])


class Other(Good):
    name = "other"
    model = counting_model("test_other", "messages by their word", word="the word")


class Keeper(BasePlugin):
    """Keeps state of its own, and adds in Python."""

    name = summary = description = "keeper"
    model = counting_model("test_keeper", "messages")

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.words: list[str] = []

    def process(self, message: Message) -> None:
        self.words.append(message["msg"]["word"])

    def update(self, session: Any) -> None:
        row = session.get(self.model, MINUTE.epoch) or self.model(timestamp=MINUTE.epoch, volume=0)
        row.volume += len(self.words)
        session.add(row)
        session.commit()
        self.words.clear()


class Bad(Good):
    """Counts, then does what the test says."""

    name = "bad"
    model = counting_model("test_bad", "messages by their word", word="the word")
    trouble: ClassVar[Callable[[Any], object]] = staticmethod(lambda session: None)

    def update(self, session: Any) -> None:
        super().update(session)
        Bad.trouble(session)


def fail(session: Any) -> None:
    raise RuntimeError("as the test says")


def make_own_tables(engine: Engine) -> None:
    """Make those of statscache's own tables that are missing."""
    create_tables(engine, [Base.metadata.tables[name] for name in CORE_TABLES])
    note_dropped(engine)


class Bench:
    """A daemon on plugins of the test's choice.

    :param bus: what it listens to, that says no more than what is asked of it without being started; None for fedmsg
    """

    def __init__(
        self, url: str, directory: Path, *classes: type[BasePlugin], bus: Any = None, **settings: Any
    ) -> None:
        self.engine = make_engine(url)
        make_own_tables(self.engine)
        remade = times_remade(self.engine)
        parts = [self._part(kind) for kind in classes]
        by_time = partitioned(parts, settings.get("keep", {}))
        limited = [its.table for its in by_time if its.is_worth_it]
        create_tables(
            self.engine, [table for kind in classes for table in tables_of(kind.model)], by_time=limited
        )
        make_partitions(self.engine, parts, by_time)
        create_views(self.engine)
        register(self.engine, parts, None)
        watch(self.engine, parts)
        self.app = App(
            Settings(url, **{"spool_directory": directory, "spool_tail": 0.0, **settings}),
            self.engine,
            parts,
            rules,
            remade=remade,
        )
        self.app.open()
        self.daemon = Daemon(self.app, bus=bus)
        self.daemon.open()
        self.flush = self.daemon.flusher.flush
        self.intake = self.daemon.intake
        self.sent = 0

    @staticmethod
    def _part(kind: type[BasePlugin]) -> Part:
        def make() -> BasePlugin:
            return kind(MINUTE, {})

        return Part(kind.name, make(), make)

    def accept(self, *words: Any) -> None:
        for word in words:
            self.sent += 1
            self.send(str(self.sent), word)

    def send(self, msg_id: str, word: Any = "x") -> None:
        body = {"topic": "a.b.c.d", "msg": {"word": word}, "timestamp": 30, "msg_id": msg_id}
        self.intake.accept(body)

    def keep_up(self) -> None:
        """Let the daemon do what is to be done now and then, and what can wait."""
        self.daemon.upkeep.keep_up()
        while self.daemon.upkeep.use_spare_time():
            pass

    def die(self) -> None:
        """Let go of all that a killed process lets go of, and of nothing else."""
        backlog = self.daemon.backlog
        for spool in [self.daemon.spool, *(source.spool for source in backlog._adopted)]:
            spool.close()
        self.engine.dispose()

    def execute(self, statement: str, **values: Any) -> list[Any]:
        with self.engine.begin() as connection:
            result = connection.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    def volume(self, table: str) -> int:
        with self.engine.connect() as connection:
            return int(connection.scalar(text(f"SELECT coalesce(sum(volume), 0) FROM {table}")))

    def volumes(self) -> list[int]:
        return [self.volume(f"test_{name}") for name in ("good", "keeper", "other", "bad")]

    def quarantined(self, plugin: str) -> list[str]:
        query = text("SELECT msg_id FROM statscache_quarantine WHERE plugin = :plugin ORDER BY msg_id")
        with self.engine.connect() as connection:
            return list(connection.scalars(query, {"plugin": plugin}))

    def retry(self, plugin: str) -> int:
        return self.app.retry(plugin, self.quarantined(plugin))


def spools(bench: Bench) -> list[Path]:
    """Return the directories of spools."""
    return [path for path in bench.daemon.spools.iterdir() if not path.name.startswith(".")]
