"""Answers that many readers share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from statscache.web.errors import Refusal
from statscache.web.page import remembered
from statscache.web.page.remembered import Remembered


class Thread:
    """Runs what is to be run on a thread, whoever else asks."""

    async def take(self, call: Callable[[], Any]) -> Any:
        return await asyncio.to_thread(call)


class Maker:
    """Makes answers, each another.

    :param cost: how long one takes, in seconds
    """

    def __init__(self, cost: float = 0.0) -> None:
        self.made = 0
        self.cost = cost
        self.fails = False

    def __call__(self) -> bytes:
        time.sleep(self.cost)
        if self.fails:
            raise Refusal(503, "the database is away")
        self.made += 1
        return str(self.made).encode()


def there() -> Remembered:
    return Remembered(Thread())  # type: ignore[arg-type]  # all that it takes


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "YOUNG", 1.5)


def test_many_who_ask_at_once_are_one_question() -> None:
    async def run() -> None:
        answers, make = there(), Maker(0.05)
        found = await asyncio.gather(*(answers.get("key", 1, make) for _ in range(50)))
        assert (set(found), make.made) == ({b"1"}, 1)
        assert await answers.get("key", 1, make) == b"1"
        assert answers.knows("key", 1)
        assert not answers.knows("other", 1)

    asyncio.run(run())


def test_an_answer_is_made_anew_once_it_has_changed_but_not_at_once() -> None:
    async def run() -> None:
        answers, make = there(), Maker()
        assert await answers.get("key", 1, make) == b"1"
        assert await answers.get("key", 2, make) == b"1"
        await asyncio.sleep(1.6)
        assert await answers.get("key", 2, make) == b"2"

    asyncio.run(run())


def test_who_follows_waits_for_the_new_one() -> None:
    async def run() -> None:
        answers, make = there(), Maker()
        begin = time.monotonic()
        await answers.get("key", 1, make)
        found = await asyncio.gather(*(answers.get("key", 2, make, True) for _ in range(20)))
        assert (set(found), make.made) == ({b"2"}, 2)
        assert time.monotonic() - begin >= 1.5

    asyncio.run(run())


def test_what_is_costly_is_made_while_readers_have_the_one_before() -> None:
    async def run() -> None:
        answers, make = there(), Maker(1.0)
        assert await answers.get("key", 1, make) == b"1"
        await asyncio.sleep(0.1)
        begin = time.monotonic()
        assert await answers.get("key", 2, make, older=True) == b"1"
        assert time.monotonic() - begin < 0.8
        for _ in range(100):
            await asyncio.sleep(0.1)
            if await answers.get("key", 2, make, older=True) == b"2":
                break
        assert await answers.get("key", 2, make, older=True) == b"2"
        assert await answers.get("key", 3, make, True) == b"3"

    asyncio.run(run())


def test_a_failure_is_told_and_not_remembered() -> None:
    async def run() -> None:
        answers, make = there(), Maker(0.6)
        make.fails = True
        with pytest.raises(Refusal):
            await answers.get("key", 1, make)
        make.fails = False
        assert await answers.get("key", 1, make) == b"1"
        make.fails = True
        await asyncio.sleep(1.6)
        assert await answers.get("key", 2, make, older=True) == b"1"
        await asyncio.sleep(1.5)
        with pytest.raises(Refusal):
            await answers.get("key", 2, make, older=True)

    asyncio.run(run())


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST", 3)

    async def run() -> None:
        answers, make = there(), Maker()
        for key in range(5):
            await answers.get(key, 1, make)
        assert [answers.knows(key, 1) for key in range(5)] == [False, False, True, True, True]

    asyncio.run(run())
