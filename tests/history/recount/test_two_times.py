"""An archive has a message by the time of its other copy: that is no difference, and nothing counts twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from urllib3 import Retry

from statscache.errors import StatscacheError
from statscache.history.archives.archive import Slice
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.recount.findings import Report
from statscache.history.recount.rebuild import rebuild
from statscache.history.recount.sample import Sample
from statscache.history.recount.verify import Verification
from statscache.history.slice_counter import SliceCounter
from statscache.span import Span
from tests.support.bench import Bad, Bench, Good, Other
from tests.support.recounting import HOURS, START, Latest, body, count_all, dump
from tests.system.datagrepper import Archive

Make = Callable[..., Bench]
#: The middle of the two hours, and a time that has little of them.
MIDDLE = Span(START + 1800, START + 5400)


def moved(number: int, by: float) -> dict[str, Any]:
    """Return a message as the archive has it, every third by another time, which lies in another window."""
    return body(number, second=10 * number + 0.5 + (by if number % 3 else 0))


@pytest.fixture
def archive_by() -> Iterator[Callable[..., Archive]]:
    """Makes archives of the two hours in which messages are later by so many seconds."""
    made: list[Archive] = []

    def make(by: float) -> Archive:
        made.append(Archive([moved(number, by) for number in range(720)]))
        return made[-1]

    yield make
    for archive in made:
        archive.close()


def check(bench: Bench, archive: Archive, **bounds: Any) -> Report:
    """Verify, and make sure that no table has changed by a cell."""
    before = dump(bench.engine)
    bounds = {"since": START, "until": HOURS.stop, "pauses": (0.0,), **bounds}
    report = Verification(bench.app, (), **bounds).run(Datagrepper(archive.url, retry=Retry(total=0)))
    assert dump(bench.engine) == before
    return report


def figures(bench: Bench) -> dict[str, list[str]]:
    """Return what was counted, and what the ledger knows of it, to the second, which is all that archives have."""
    tables = ("test_good", "test_other", "test_latest")
    ledger = "SELECT msg_id, timestamp, plugins FROM statscache_ledger JOIN statscache_plugin_set ON id = plugin_set"
    found = {
        name: [row.replace(".5+00", "+00") for row in rows]
        for name, rows in dump(bench.engine).items()
        if name in tables
    }
    return {**found, "ledger": sorted(map(str, bench.execute(ledger)))}


def again(bench: Bench, archive: Archive, span: Span, *plugins: str) -> Report:
    """Rebuild."""
    source = Datagrepper(archive.url, retry=Retry(total=0))
    return rebuild(bench.app, source, plugins, span, lambda sentence: None, pauses=(0.0,))


@pytest.mark.parametrize("by", [25, -25, 70, 290, -290])
@pytest.mark.parametrize(
    "bounds", [{}, {"sample": Sample(12, 1)}, {"since": MIDDLE.start, "until": MIDDLE.stop}]
)
def test_another_time_is_no_difference(
    by: float, bounds: dict[str, Any], make_bench: Make, archive_by: Callable[..., Archive]
) -> None:
    """Whether the archive's is the later or the earlier one, also at the ends of what is checked."""
    bench = make_bench(Good, Other, Latest)
    count_all(bench)
    report = check(bench, archive_by(by), **bounds)
    assert (report.differing, report.checked) == (0, True)
    assert all(finding.windows and not finding.lacking for finding in report.findings)


def test_damage_is_found_in_spite_of_it(make_bench: Make, archive_by: Callable[..., Archive]) -> None:
    """The window in which a message was counted must have it."""
    bench = make_bench(Good, Other)
    count_all(bench)
    bench.execute(
        "UPDATE test_good SET volume = 7 WHERE word = 'b' AND timestamp = to_timestamp(:start)", start=START
    )
    report = check(bench, archive_by(70))
    [row] = report.findings[0].differences.rows
    assert (row.key["word"], row.actual, row.recounted) == ("b", {"volume": 7}, {"volume": 2})
    assert report.differing == 1


def test_a_time_that_is_too_far_away_is_a_lack_at_the_ends(
    make_bench: Make, archive_by: Callable[..., Archive]
) -> None:
    """Messages that the archive has elsewhere are looked for as far away as a message may be late."""
    bench = make_bench(Good, lateness=100.0)
    count_all(bench)
    [finding] = check(bench, archive_by(400)).findings
    late = [number for number in range(720) if number % 3 and 10 * number + 400 >= 7200 + 100]
    assert finding.lacking == len(late)


def test_what_the_ledger_does_not_know_has_the_time_of_the_archive(
    make_bench: Make, archive_by: Callable[..., Archive]
) -> None:
    """Then nobody knows that these are the same messages."""
    bench = make_bench(Good)
    count_all(bench)
    bench.execute("DELETE FROM statscache_ledger")
    assert check(bench, archive_by(70)).differing > 0


def test_messages_in_the_quarantine_are_left_out_by_any_time(
    make_bench: Make, archive_by: Callable[..., Archive]
) -> None:
    """They are in no figure."""
    bench = make_bench(Good, Bad)
    Bad.trouble = staticmethod(lambda session: 1 / 0)
    count_all(bench, range(3), Span(START, START + 60))
    Bad.trouble = staticmethod(lambda session: None)
    count_all(bench, range(3, 720))
    report = check(bench, archive_by(70))
    assert report.differing == 0
    assert [finding.quarantined for finding in report.findings] == [0, 3]


@pytest.mark.parametrize("span", [HOURS, MIDDLE])
@pytest.mark.parametrize("by", [70, -290])
def test_a_rebuild_counts_each_message_where_it_was(
    by: float, span: Span, make_bench: Make, archive_by: Callable[..., Archive]
) -> None:
    """Not in the window that the archive's time lies in, where it would count a second time."""
    bench = make_bench(Good, Other, Latest)
    count_all(bench)
    before, archive = figures(bench), archive_by(by)
    assert again(bench, archive, span).differing == 0
    assert figures(bench) == before
    bench.execute("DELETE FROM test_good WHERE timestamp >= to_timestamp(:start)", start=MIDDLE.start)
    bench.execute(
        "UPDATE test_good SET volume = 9 WHERE timestamp >= to_timestamp(:start)", start=MIDDLE.start
    )
    bench.execute("DELETE FROM test_latest")
    again(bench, archive, HOURS)
    assert figures(bench) == before


def test_a_rebuild_takes_no_message_from_a_plugin_that_lacks_it(
    make_bench: Make, archive_by: Callable[..., Archive]
) -> None:
    """One of another window is not taken for counted, though the archive has it in this one."""
    bench, fewer = make_bench(Good, Other), make_bench(Good)
    fewer.intake.accept(body(100))
    fewer.flush()
    count_all(bench, [number for number in range(720) if number != 100])
    archive = archive_by(70)
    assert again(bench, archive, Span(START + 1060, START + 1120)).differing == 0
    assert (bench.volume("test_good"), bench.volume("test_other")) == (720, 719)
    bench.intake.accept(body(100))
    bench.flush()
    assert (bench.volume("test_good"), bench.volume("test_other")) == (720, 720)


def test_a_rebuild_fails_where_the_archive_has_a_message_too_far_away(
    make_bench: Make, archive_by: Callable[..., Archive]
) -> None:
    """Then nothing is changed."""
    bench = make_bench(Good, lateness=100.0)
    count_all(bench)
    before = figures(bench)
    with pytest.raises(StatscacheError, match=r"the archive lacks .* counted message"):
        again(bench, archive_by(400), HOURS)
    assert figures(bench) == before


def test_a_gap_is_filled_by_the_times_that_count(
    make_bench: Make, archive_by: Callable[..., Archive]
) -> None:
    """A plugin that joins later then has the same figures as the others, and a check finds no difference."""
    count_all(make_bench(Good))
    bench, archive = make_bench(Good, Other), archive_by(70)
    history = SliceCounter(bench.app)
    for start in range(START - 300, HOURS.stop + 300, 600):
        [found] = Datagrepper(archive.url).slices(Span(start, start + 600))
        assert isinstance(found, Slice)
        history.count(found, frozenset(["other"]))
    cells = "SELECT word, timestamp, volume FROM {} ORDER BY 1, 2"
    assert bench.execute(cells.format("test_other")) == bench.execute(cells.format("test_good"))
    assert check(bench, archive).differing == 0
