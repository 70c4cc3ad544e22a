"""`statscache show`: what a plugin has counted."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from tests.support.commands import Replayed, body, told
from tests.support.databases import new_database
from tests.support.place import Place, lines, rows

#: Keys, and how they are shown.
ODD = {
    **{key: key for key in ("[/b]", "[red]", ":smile:", "ü" * 700)},
    "\x1b[31m": "\\x1b[31m",
    "a\nb": "a\\nb",
}


def test_show_sums_by_key_and_draws_aligned_bars(messages: Replayed) -> None:
    """--by sums over all time, greatest first; a bar's length is the count's share of the greatest."""
    titles, *output = messages.answer("show", "volume-by-category-1d", "--by", "category").splitlines()
    assert titles.split() == ["category", "volume"]
    parts = [re.fullmatch(r"(\S+) +(\d+)  (█+) *", line) for line in output]
    found = [(part[1], int(part[2])) for part in parts if part]
    expected = messages.by("data_volume_by_category_1d")
    assert [count for _, count in found] == sorted(expected.values(), reverse=True)[:20]
    assert all(expected[category] == count for category, count in found)
    assert len({part.end(2) for part in parts if part}) == 1
    bars = [len(part[3]) for part in parts if part]
    assert bars == [max(1, round(30 * count / found[0][1])) for _, count in found]


@pytest.mark.parametrize("top", [3, 10_000])
def test_show_top_lists_so_many(top: int, messages: Replayed) -> None:
    """--top N gives the N greatest, or all where there are fewer."""
    listed = rows(messages.answer("show", "volume-by-topic-1m", "--by", "topic", "--top", str(top)))[1:]
    expected = messages.by("data_volume_by_topic_1m")
    assert [int(row[1]) for row in listed] == sorted(expected.values(), reverse=True)[:top]
    assert all(expected[row[0]] == int(row[1]) for row in listed)


def test_show_lists_the_last_windows_oldest_first(messages: Replayed) -> None:
    """Without options the last 20 windows stand there by their start in UTC, each with its count."""
    listed = rows(messages.answer("show", "volume-1m"))[1:]
    expected = sorted(messages.expected["data_volume_1m"].items())[-20:]
    assert [(row[0], int(row[1])) for row in listed] == [
        (f"{datetime.fromtimestamp(start, UTC):%Y-%m-%d %H:%M:%S}", volume) for start, volume in expected
    ]


def test_show_since_leaves_out_what_is_earlier(messages: Replayed) -> None:
    """--since with a date, in UTC, includes the window of that start and none before."""
    start = sorted(messages.expected["data_volume_1m"])[-7]
    since = f"{datetime.fromtimestamp(start, UTC):%Y-%m-%dT%H:%M}"
    assert len(rows(messages.answer("show", "volume-1m", "--since", since))) == 1 + 7


def test_show_lists_the_latest_states(messages: Replayed) -> None:
    """A plugin that keeps states instead of counts shows each with its keys and status, newest first."""
    titles, *listed = rows(messages.answer("show", "release-engineering-event-logs", "--top", "1000"))
    expected = messages.expected["data_releng_dashboard"]
    assert titles == ["timestamp (UTC)", "category", "category_constraint", "status"]
    assert {(row[1], row[2]): row[3] for row in listed} == {
        key: message["status"] for key, (_, message) in expected.items()
    }
    assert [row[0] for row in listed] == sorted((row[0] for row in listed), reverse=True)


@pytest.fixture(scope="module")
def odd(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place where messages with odd keys were replayed: one of just now, one of today, the others older."""
    times = {0: time.time(), 1: time.time() - 10_000}
    with new_database(server) as url:
        place = Place(tmp_path_factory.mktemp("odd"), url)
        bodies = (body(n, times.get(n, 1e9), key) for n, key in enumerate(ODD))
        place.answer("replay", place.write("odd.jsonl", lines(*bodies)))
        yield place


@pytest.mark.parametrize(("since", "count"), [("2h", 1), ("2000w", len(ODD))])
def test_show_since_takes_a_span_back_from_now(since: str, count: int, odd: Place) -> None:
    """--since 2h shows what was counted in the last two hours, and a long span shows all."""
    listed = rows(odd.answer("show", "volume-by-category-1s", "--by", "category", "--since", since))
    assert len(listed) == 1 + count


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_show_prints_what_others_wrote_as_it_is(encoding: str, odd: Place) -> None:
    """What looks like markup, an emoji's name or a terminal's escape does nothing, in any encoding."""
    odd.environment["PYTHONIOENCODING"] = encoding
    listed = rows(odd.answer("show", "volume-by-category-1d", "--by", "category"))[1:]
    assert sorted(row[0] for row in listed) == sorted(
        key.encode(encoding, "replace").decode(encoding) for key in ODD.values()
    )


def test_show_knows_the_parts_of_a_plugin(counted: Place) -> None:
    """A part is shown by its own ident, as the table that it shares."""
    assert told(counted, "show", "release-engineering-event-logs/compose") == []
