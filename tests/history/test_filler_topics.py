"""A daemon asks its archive for less, too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from statscache.database.lock import counting
from statscache.span import Span
from statscache.store.coverage import cover, want
from tests.history.test_filler import START, body, fill
from tests.support.bench import Bench, Good, Other
from tests.support.pages import Pages

HOURS = 4


class Rare(Good):
    name = "good"
    topics = re.compile(r"\.rare$")


@pytest.fixture
def pages() -> Iterator[Pages]:
    """A server with two messages a second of four hours, of which one in a hundred is rare."""
    topics = ["a.b.c.rare", *[f"a.b.c.t{n}" for n in range(99)]]
    pages = Pages([{**body(n, n / 2), "topic": topics[n % 100]} for n in range(HOURS * 7200)])
    pages.topics = topics
    pages.start()
    yield pages
    pages.stop()


def make(make_bench: Callable[..., Bench], pages: Pages, *classes: Any) -> Bench:
    """Make a daemon that lacks the four hours."""
    bench = make_bench(*classes, datagrepper_endpoint=pages.url, lateness=1.0)
    with counting(bench.engine) as connection:
        want(connection, dict.fromkeys(bench.app.plugins, datetime.fromtimestamp(START, UTC)))
        cover(connection, list(bench.app.plugins), Span(START + HOURS * 3600, START + 10**9))
    return bench


def test_a_plugin_of_a_rare_topic_gets_what_it_wants(make_bench: Callable[..., Bench], pages: Pages) -> None:
    """In a few requests, and its time is covered."""
    bench = make(make_bench, pages, Rare)
    fill(bench)
    assert bench.volume("test_good") == HOURS * 72
    assert bench.daemon.gaps.pieces() == []
    assert len(pages.queries) < 30


def test_it_does_not_wait_for_one_that_wants_all(make_bench: Callable[..., Bench], pages: Pages) -> None:
    """It gets its messages first, and the other all of them."""
    bench = make(make_bench, pages, Rare, Other)
    fill(bench)
    assert (bench.volume("test_good"), bench.volume("test_other")) == (HOURS * 72, HOURS * 7200)
    asked = ["topic" in query for _, query in pages.queries if int(query["rows_per_page"]) > 1]
    assert asked[0]
    assert not asked[-1]
