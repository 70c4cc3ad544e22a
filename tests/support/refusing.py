"""Plugins that refuse messages as a test says, and what becomes of these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from statscache.plugins import BasePlugin, Message, counting_model
from tests.support.bench import MINUTE, Bad, Bench, Good


class Poisoned(Good):
    """Counts, unless one of its words is on the list: then its `update` fails."""

    name = "poisoned"
    model = counting_model("test_poisoned", "messages by their word", word="the word")
    poison: ClassVar[set[Any]] = set()

    def update(self, session: Any) -> None:
        words = {word for _, word in self.queue.items or self.queue._offer or []}
        super().update(session)
        if found := words & self.poison:
            raise ValueError(f"cannot stand {sorted(found)}")


class Picky(Good):
    """Counts, and raises in `process` what the test says for some words."""

    name = "picky"
    model = counting_model("test_picky", "messages by their word", word="the word")
    trouble: ClassVar[dict[Any, BaseException]] = {}

    def process(self, message: Message) -> None:
        super().process(message)
        error = self.trouble.get(message["msg"]["word"])
        if error is not None:
            raise error


class Stateful(BasePlugin):
    """A plugin as they were written for 0.0.4: it keeps a list and adds in Python."""

    name = summary = description = "stateful"
    model = counting_model("test_stateful", "messages by their word", word="the word")
    poison: ClassVar[set[Any]] = set()
    bad_process: ClassVar[set[Any]] = set()
    makes: ClassVar[int] = 0
    broken_make: ClassVar[BaseException | None] = None

    def __init__(self, *args: Any) -> None:
        if self.broken_make and Stateful.makes:
            raise self.broken_make
        Stateful.makes += 1
        super().__init__(*args)
        self.words: list[str] = []

    def process(self, message: Message) -> None:
        word = message["msg"]["word"]
        self.words.append(word)
        if word in self.bad_process:
            raise KeyError(word)

    def update(self, session: Any) -> None:
        for word in self.words:
            row = session.get(self.model, (MINUTE.epoch, word))
            if row is None:
                row = self.model(timestamp=MINUTE.epoch, word=word, volume=0)
            row.volume += 1
            session.add(row)
            session.flush()
            if word in self.poison:
                raise ValueError(f"cannot stand {word}")
        session.commit()
        self.words = []


def forget_troubles() -> None:
    """Let the plugins that can fail do so no more."""
    Bad.trouble = staticmethod(lambda session: None)
    Poisoned.poison, Picky.trouble = set(), {}
    Stateful.poison, Stateful.bad_process = set(), set()
    Stateful.makes, Stateful.broken_make = 0, None


def trouble(do: Callable[[Any], object]) -> None:
    """Have the bad plugin do that at the end of its update."""
    Bad.trouble = staticmethod(do)


def rows(bench: Bench, plugin: str = "%") -> list[Any]:
    """Return the rows of the quarantine."""
    return bench.execute("SELECT * FROM statscache_quarantine WHERE plugin LIKE :p ORDER BY msg_id", p=plugin)


def words(bench: Bench, table: str) -> dict[str, int]:
    """Return what a table has counted under each word."""
    return {row.word: row.volume for row in bench.execute(f"SELECT word, volume FROM {table}")}


def make_due(bench: Bench) -> None:
    """Let the time pass until all is to be tried again."""
    bench.execute("UPDATE statscache_quarantine SET next_attempt = now() WHERE next_attempt IS NOT NULL")


def let_suspensions_end(bench: Bench) -> None:
    """Let the time pass until no plugin is suspended."""
    bench.execute("UPDATE statscache_suspension SET until = least(until, now())")
    bench.daemon.app.suspensions.load()


def suspended(bench: Bench, plugin: str) -> bool:
    """Whether the plugin is suspended."""
    return bench.daemon.app.suspensions.holds(plugin)
