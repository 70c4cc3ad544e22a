"""What is wrong with the class of a plugin is told before it gets any message."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import InvalidRequestError

from statscache.hosting.fitness import check_plugin, reason_of
from statscache.plugins import (
    BasePlugin,
    CountingPlugin,
    DurationModel,
    DurationPlugin,
    Message,
    Schedule,
    counting_model,
)

MODEL = counting_model("test_fitness", "messages by word and by letter", word="the word", letter="the letter")


class Fit(CountingPlugin):
    name = summary = description = "fit"
    interval = timedelta(days=1)
    model = MODEL

    def process(self, message: Message) -> None:
        self.count(message, "word", "letter")


def made(**attributes: Any) -> BasePlugin:
    """Return a plugin whose class differs from one that is fit."""
    return type("Unfit", (Fit,), attributes)(Schedule(timedelta(days=1)), {})


def test_one_that_is_fit_is_fit() -> None:
    """Nothing is raised."""
    check_plugin(made())


@pytest.mark.parametrize("model", [None, MODEL, DurationModel])
def test_durations_need_a_model_of_their_kind(model: Any) -> None:
    """Another one has no table for what began and ended."""
    attributes = {"name": "lengths", "summary": "x", "description": "x", "process": Fit.process}
    kind = type("Lengths", (DurationPlugin,), {**attributes, "model": model, "give_up": timedelta(days=1)})
    with pytest.raises(TypeError, match="make its model with duration_model"):
        check_plugin(kind(Schedule(timedelta(days=1)), {}))


async def asynchronous(self: Any, message: Any) -> None: ...


def generating(self: Any, message: Any) -> Iterator[None]:
    yield None


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"process": BasePlugin.process}, "it has no process"),
        ({"update": BasePlugin.update}, "it has a model and no update"),
        ({"process": asynchronous}, "its process is a coroutine function"),
        ({"process": generating}, "its process is a generator function"),
        ({"update": generating}, "its update is a generator function"),
        ({"process": "text"}, "its process is a str"),
        ({"topics": re.compile(b"x")}, "its topics is a pattern of bytes"),
        ({"ident": ""}, "its ident is ''"),
        ({"ident": "a\nb"}, "its ident is"),
        ({"ident": "x" * 501}, "its ident is"),
        ({"reach": 7}, "its reach is 7: it must be a timedelta"),
        ({"reach": timedelta(seconds=-1)}, "its reach is datetime.timedelta(days=-1"),
        ({"version": 0}, "its version is 0: it must be a whole number from 1 to 2147483647"),
        ({"version": True}, "its version is True: it must be"),
        ({"version": "2"}, "its version is '2': it must be"),
        ({"version": 2.0}, "its version is 2.0: it must be"),
        ({"version": None}, "its version is None: it must be"),
        ({"version": 2**31}, "its version is 2147483648: it must be"),
        ({"rows": property(lambda self: 1 / 0)}, "division by zero"),
    ],
)
def test_one_that_is_not_is_named_with_the_reason(attributes: dict[str, Any], reason: str) -> None:
    """What its author has to change is in the sentence."""
    with pytest.raises((TypeError, ValueError, ZeroDivisionError), match=re.escape(reason)):
        check_plugin(made(**attributes))


@pytest.mark.parametrize("keys", [(), ("one",), ("one", "two", "three")])
def test_too_few_and_too_many_keys_are_told_where_they_are_given(keys: tuple[str, ...]) -> None:
    """And nothing is queued."""
    plugin = made()
    message = type("Any", (), {"second": 3})()
    with pytest.raises(TypeError, match=rf"test_fitness, word, letter, and got {len(keys)}$"):
        plugin.count(message, *keys)  # type: ignore[attr-defined]
    plugin.count(message, "a", "b")  # type: ignore[attr-defined]
    assert plugin.queue.drain() == [(3, "a", "b")]


def test_two_models_on_one_table_are_told_in_our_words() -> None:
    """The table is named, and what to change."""
    with pytest.raises(InvalidRequestError) as raised:
        counting_model("test_fitness", "the same again")
    assert reason_of(raised.value).startswith("two models have the table test_fitness, of which each must")
