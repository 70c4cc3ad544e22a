"""Who waits for changes, without a database that could be listened to."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.requests import Request

from statscache.web.database import Version
from statscache.web.errors import Refusal
from statscache.web.live import Feed, event_stream, tag_of
from statscache.web.live.audience import GATHER, PACE, Audience, Subscription
from statscache.web.live.ears import tables_in
from tests.support.commands import NOWHERE

TABLES = frozenset(["a", "b"])


def version(tag: str) -> Version:
    """Return a version of a table."""
    return Version(tag, datetime.now(UTC), False)


class Tables:
    """What the tables hold."""

    def __init__(self) -> None:
        self.held = {"a": version("1"), "b": version("1")}
        self.away = False
        self.questions = 0

    async def versions(self) -> Mapping[str, Version]:
        """Return it, unless the database is away."""
        self.questions += 1
        if self.away:
            raise Refusal(503, "the database cannot be reached", 5)
        return dict(self.held)

    def change(self, table: str, tag: str) -> None:
        """Have a table hold something else."""
        self.held[table] = version(tag)


def run_with(test: Callable[[Tables, Feed], Awaitable[None]]) -> None:
    """Run a test with a feed that cannot listen, and check that nothing is left of it."""

    async def run() -> None:
        tables = Tables()
        feed = Feed(tables.versions, lambda: NOWHERE)
        await test(tables, feed)
        await feed.close()
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    asyncio.run(run())
    assert not [thread for thread in threading.enumerate() if thread.name == "statscache-listener"]


def test_what_is_asked_for_is_told_to_all_by_one_question() -> None:
    """Each is told of its own tables, at once if it comes with another tag, and is not told what has not changed."""

    async def test(tables: Tables, feed: Feed) -> None:
        async with (
            feed.subscription(TABLES) as one,
            feed.subscription(TABLES) as two,
            feed.subscription(frozenset(["b"])) as other,
            feed.subscription(TABLES, tag_of(tables.held, TABLES)) as up_to_date,
            feed.subscription(TABLES, "old") as behind,
        ):
            assert await behind.next(0.2) == tag_of(tables.held, TABLES)
            tables.change("a", "2")
            asked = tables.questions
            assert await one.next(3) == await two.next(1) == await up_to_date.next(1) == await behind.next(1)
            assert tables.questions == asked + 1
            assert await other.next(0.1) is None

    run_with(test)


def test_an_iterator_of_tags() -> None:
    """It ends when the feed is closed."""

    async def test(tables: Tables, feed: Feed) -> None:
        async with aclosing(feed.subscribe(TABLES, "old")) as tags:  # type: ignore[type-var]
            assert await anext(tags) == tag_of(tables.held, TABLES)
            await feed.close()
            with pytest.raises(StopAsyncIteration):
                await anext(tags)

    run_with(test)


def test_a_database_that_is_away_tells_nothing_and_nothing_is_lost() -> None:
    """What has changed meanwhile is told once it is back."""

    async def test(tables: Tables, feed: Feed) -> None:
        async with feed.subscription(TABLES) as one:
            await asyncio.sleep(0)
            tables.away = True
            tables.change("a", "2")
            assert await one.next(2.5) is None
            tables.away = False
            assert await one.next(3) == tag_of(tables.held, TABLES)

    run_with(test)


def test_a_bug_in_a_question_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and asked again."""

    async def test(tables: Tables, feed: Feed) -> None:
        async with feed.subscription(TABLES) as one:
            await asyncio.sleep(0.01)
            good, feed._source.rounds._versions = tables.versions, None  # type: ignore[union-attr, assignment]
            assert await one.next(2.5) is None
            feed._source.rounds._versions = good  # type: ignore[union-attr]
            tables.change("a", "2")
            assert await one.next(3)

    run_with(test)
    assert "open pages are told of a change later" in caplog.text


def test_who_comes_after_the_end_is_sent_away() -> None:
    """Nothing is started for it."""

    async def test(tables: Tables, feed: Feed) -> None:
        await feed.close()
        async with feed.subscription(TABLES) as late:
            assert await late.next(5) is None
            assert late.over

    run_with(test)


def test_many_who_come_and_go_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though they go before anything has happened, and what was listened with rests for a while."""
    monkeypatch.setattr("statscache.web.live.feed.LINGER", 0.1)

    async def test(tables: Tables, feed: Feed) -> None:
        for _ in range(3):
            for number in range(50):
                async with feed.subscription(frozenset([str(number)])):
                    await asyncio.sleep(0.001 * (number % 2))
            assert feed._audiences == {}
            await asyncio.sleep(0.3)
            assert feed._source is None

    run_with(test)


def test_under_another_server_a_stream_ends_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """As that would wait for it when it stops; the browser comes again by itself."""
    monkeypatch.setattr("statscache.web.live.stream.ELSEWHERE", 0.5)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    async def test(tables: Tables, feed: Feed) -> None:
        scope: dict[str, Any] = {"type": "http", "method": "GET", "headers": [], "query_string": b"known=old"}
        answer = await event_stream(Request(scope), feed, TABLES)
        before = time.monotonic()
        await answer(scope, receive, send)
        assert 0.4 < time.monotonic() - before < 2
        tag = tag_of(tables.held, TABLES).encode()
        assert [message.get("body", b"") for message in sent] == [
            b"",
            b"retry: 2000\n\n",
            b"event: change\nid: " + tag + b"\ndata: " + tag + b"\n\n",
            b":\n\n",
            b"",
        ]

    run_with(test)


def test_changes_are_gathered_and_paced() -> None:
    """The first is due at once, what comes soon after is the same, and the next one waits for two seconds."""
    audience = Audience(TABLES)
    audience.changed(100.0)
    audience.changed(100.1)
    assert audience.due == 100.0 + GATHER
    audience.due = None
    audience.tell("x", 100.3)
    audience.changed(100.4)
    assert audience.due == 100.3 + PACE


def test_one_who_was_told_waits_for_two_seconds() -> None:
    """Even if it is told more often; it gets the newest only, and an end comes at once."""

    async def test() -> None:
        one = Subscription()
        one.take("1")
        one.take("2")
        assert await one.next(1) == "2"
        before = time.monotonic()
        one.take("3")
        assert await one.next(0.5) is None
        assert await one.next(5) == "3"
        assert 1.9 < time.monotonic() - before < 2.5
        one.take("4")
        asyncio.get_running_loop().call_later(0.1, one.end)
        assert await one.next(5) is None
        assert time.monotonic() - before < 3

    asyncio.run(test())


def test_the_tables_that_notifications_name() -> None:
    """Of both channels; what nobody can read may be about any."""
    rows = ("statscache", '{"table": "a", "from": null, "to": null}')
    assert tables_in([rows, ("statscache_coverage", '{"tables": ["b", "c"]}')]) == {"a", "b", "c"}
    assert tables_in([rows, ("statscache_coverage", '{"tables": null}')]) is None
    for payload in ("", "x", "[]", "{}", "null", '{"table": ["a"]}', '{"table": {}}'):
        assert tables_in([rows, ("statscache", payload)]) is None


def test_tags_differ_with_what_tables_hold() -> None:
    """Not with the order of the tables; one that is not there yet has a tag, too."""
    held = {"a": version("1"), "b": version("2")}
    assert tag_of(held, ["a", "b"]) == tag_of(held, ["b", "a"])
    others = [tag_of({"a": version("2"), "b": version("1")}, TABLES), tag_of(held, ["a"]), tag_of({}, TABLES)]
    assert len({tag_of(held, TABLES), *others}) == 4
