"""What was measured is checked against history, counted from it, and counted again, to the last digit."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from urllib3 import Retry

from statscache.cli.report import as_json
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.recount.findings import Report
from statscache.history.recount.rebuild import rebuild
from statscache.history.recount.verify import Verification
from statscache.history.slice_counter import SliceCounter
from statscache.render.exact_json import exact_json
from tests.support.bench import Bench
from tests.support.measured import Sizes, Whole, body, check, expected, kept
from tests.support.recounting import HOURS, START, dump
from tests.system.datagrepper import Archive

Make = Callable[..., Bench]
MANY = "123456789012345678901234567.123456781"


def value(chance: random.Random) -> list[Any]:
    """Return a value of any kind under some key."""
    number = round(chance.uniform(-1e6, 1e6), chance.randint(0, 5))
    kind, its = chance.choice([("float", repr(number)), ("decimal", MANY), ("int", "7"), ("json", number)])
    return [chance.choice("abc"), kind, its]


BODIES = [
    body(number, START + 10 * number + 0.5, [value(random.Random(number)) for _ in range(number % 4)])
    for number in range(720)
]
#: Of which nothing counts.
BAD = body("bad", START + 3000, [["a", "int", "1"], ["a", "float", "nan"]])


@pytest.fixture
def archive() -> Iterator[Archive]:
    """An archive with all of them."""
    archive = Archive([*BODIES, BAD])
    yield archive
    archive.close()


def source(archive: Archive) -> Datagrepper:
    return Datagrepper(archive.url, retry=Retry(total=0))


def filled(make_bench: Make, archive: Archive) -> Bench:
    """Return a daemon whose tables come from history, and whose time is complete but for the message that is bad."""
    bench = make_bench(Sizes, Whole)
    counter = SliceCounter(bench.app)
    for part in source(archive).slices(HOURS):
        counter.count(part, frozenset(bench.app.plugins))  # type: ignore[arg-type]
    return bench


def verified(bench: Bench, archive: Archive) -> Report:
    before = dump(bench.engine)
    report = Verification(bench.app, [], HOURS.start, HOURS.stop, pauses=(0.0,)).run(source(archive))
    assert dump(bench.engine) == before
    return report


def test_history_gives_every_cell(make_bench: Make, archive: Archive) -> None:
    """Newest first, as history comes; what does not count is in the quarantine."""
    bench = filled(make_bench, archive)
    check(bench, [*BODIES, BAD])
    report = verified(bench, archive)
    assert (report.differing, report.checked) == (0, True)
    assert [finding.quarantined for finding in report.findings] == [1, 1]


DAMAGE = [
    "DELETE FROM test_sizes WHERE word = 'a' AND timestamp < to_timestamp(:start + 600)",
    "UPDATE test_sizes SET sum = sum + 0.000000001 WHERE word = 'b'",
    "UPDATE test_sizes SET count = count + 1",
    "UPDATE test_sizes SET least = -1e37, greatest = 1e37 WHERE kind = 'decimal'",
    "INSERT INTO test_sizes VALUES (to_timestamp(:start + 7140), 'z', 'int', 3, 4, 1, 2)",
    "DELETE FROM test_sizes",
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_and_mended(damage: str, make_bench: Make, archive: Archive) -> None:
    """Rows that lack, that are too many and that were changed by a billionth; nothing else changes by a cell."""
    bench = filled(make_bench, archive)
    bench.execute(damage, start=START)
    changed = kept(bench.engine).items() ^ expected(BODIES).items()
    found = verified(bench, archive)
    assert found.differing == len({row for row, _ in changed}) > 0
    assert json.loads(exact_json(as_json(found, None)))
    mended = rebuild(bench.app, source(archive), [], HOURS, lambda sentence: None, pauses=(0.0,))
    assert mended.differing == found.differing
    check(bench, [*BODIES, BAD])


def test_figures_that_only_look_otherwise_do_not_differ(make_bench: Make, archive: Archive) -> None:
    """They are compared as numbers: 1.50 is 1.5."""
    bench = filled(make_bench, archive)
    bench.execute("UPDATE test_sizes SET sum = sum + 0.000000000000, least = least + 0.0000")
    assert verified(bench, archive).differing == 0


def test_a_difference_is_told_of_with_all_its_digits(make_bench: Make, archive: Archive) -> None:
    """A billionth beside 27 digits before the point shows in JSON, too."""
    bench = filled(make_bench, archive)
    bench.execute("UPDATE test_sizes SET greatest = greatest + 0.000000001 WHERE kind = 'decimal'")
    told = exact_json(as_json(verified(bench, archive), None))
    assert f'"greatest": {MANY}}}' in told
    assert f'"greatest": {MANY[:-1]}2}}' in told
