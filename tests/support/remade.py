"""A plugin whose table has another form in each of its versions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import MetaData

from statscache.hosting.loader import Part
from statscache.plugins import BasePlugin, CountingPlugin, CountModel, Message
from statscache.plugins.in_windows import model_in_windows
from tests.support.bench import MINUTE

TABLE = "test_grown"


def model_of(number: int, **keys: str) -> Any:
    """Return a model of the table, with some keys, that is known to no other."""
    kind: Any = type(f"Kind{number}", (CountModel,), {"__abstract__": True, "metadata": MetaData()})
    return model_in_windows(kind, TABLE, "messages", None, keys)


class ByWord(CountingPlugin):
    """The first version: by the word."""

    name = summary = description = "grown"
    interval = timedelta(minutes=1)
    model = model_of(1, word="the word")

    def process(self, message: Message) -> None:
        self.count(message, message["msg"]["word"])


class ByTopicToo(ByWord):
    """The second: by the topic, too."""

    version = 2
    model = model_of(2, word="the word", topic="the topic")

    def process(self, message: Message) -> None:
        self.count(message, message["msg"]["word"], message["topic"])


class ByTopic(ByWord):
    """The third: by the topic alone."""

    version = 3
    model = model_of(3, topic="the topic")

    def process(self, message: Message) -> None:
        self.count(message, message["topic"])


def part_of(kind: type[BasePlugin]) -> Part:
    """Return a plugin as a daemon runs it."""

    def make() -> BasePlugin:
        return kind(MINUTE, {})

    return Part(kind.name, make(), make)
