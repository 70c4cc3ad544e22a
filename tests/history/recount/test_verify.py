"""Tables are checked against an archive, and nothing of them changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from urllib3 import Retry

from statscache.errors import StatscacheError
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.recount.findings import Finding, Report
from statscache.history.recount.sample import Sample
from statscache.history.recount.verify import Verification
from statscache.span import Span
from tests.support.bench import Bad, Bench, Good, Keeper, Other
from tests.support.recounting import HOURS, START, Latest, body, count_all, dump, refuse
from tests.system.datagrepper import Archive, Fault

Make = Callable[..., Bench]


def check(bench: Bench, archive: Archive, *idents: str, **bounds: Any) -> Report:
    """Verify, and make sure that no table has changed by a cell."""
    before = dump(bench.engine)
    bounds = {"since": START, "until": HOURS.stop, "pauses": (0.0,), **bounds}
    source = Datagrepper(archive.url, retry=Retry(total=0))
    report = Verification(bench.app, idents, **bounds).run(source)
    assert dump(bench.engine) == before
    return report


def of(report: Report, plugin: str) -> Finding:
    return next(finding for finding in report.findings if plugin in finding.target.plugins)


def found(report: Report, plugin: str = "good") -> set[tuple[Any, ...]]:
    """Return minute, word, and what is and should be there."""
    return {
        (
            int(row.key["timestamp"].timestamp() - START) // 60,
            row.key["word"],
            row.actual and row.actual["volume"],
            row.recounted and row.recounted["volume"],
        )
        for row in of(report, plugin).differences.rows
    }


def test_tables_that_are_right_do_not_differ(make_bench: Make, two_hours: Archive) -> None:
    """Each window is compared, also of states whose instants have a fraction that the archive has not."""
    bench = make_bench(Good, Other, Latest)
    count_all(bench)
    report = check(bench, two_hours)
    assert (report.differing, report.checked) == (0, True)
    assert [f.windows for f in report.findings] == [120, 120, 7200]
    assert all(not f.incomplete and not f.lacking for f in report.findings)


DAMAGE = {
    "DELETE FROM test_good WHERE word = 'a' AND timestamp = to_timestamp(:start + 60)": {(1, "a", None, 2)},
    "UPDATE test_good SET volume = 7 WHERE word = 'b' AND timestamp = to_timestamp(:start)": {(0, "b", 7, 2)},
    "INSERT INTO test_good VALUES (to_timestamp(:start + 7140), 'z', 3)": {(119, "z", 3, None)},
}


@pytest.mark.parametrize(("damage", "difference"), DAMAGE.items())
def test_damage_to_a_row_is_found(
    damage: str, difference: set[Any], make_bench: Make, two_hours: Archive
) -> None:
    """A row that lacks, one too many and one that was changed: each is found, and nothing else."""
    bench = make_bench(Good, Other)
    count_all(bench)
    bench.execute(damage, start=START)
    report = check(bench, two_hours)
    assert found(report) == difference
    assert found(report, "other") == set()
    assert report.differing == 1


def test_only_the_plugins_that_are_named_are_checked(make_bench: Make, two_hours: Archive) -> None:
    """Others are not even counted."""
    bench = make_bench(Good, Other)
    count_all(bench)
    bench.execute("DELETE FROM test_other")
    report = check(bench, two_hours, "good")
    assert [f.target.name for f in report.findings] == ["good"]
    assert report.differing == 0


STATES = {
    "DELETE FROM test_latest WHERE category_constraint = 'a'": ("a", None, "m717"),
    "UPDATE test_latest SET message = '{\"id\": \"x\"}' WHERE category_constraint = 'b'": ("b", "x", "m718"),
    'UPDATE test_latest SET message = \'{"id": "x"}\', timestamp = to_timestamp(:start - 1)'
    " WHERE category_constraint = 'c'": ("c", "x", "m719"),
    "INSERT INTO test_latest VALUES ('word', 'z', to_timestamp(:start), 0, 'x', '{\"id\": \"x\"}')": (
        "z",
        "x",
        None,
    ),
}


@pytest.mark.parametrize(("damage", "difference"), STATES.items())
def test_damage_to_a_state_is_found(
    damage: str, difference: tuple[Any, ...], make_bench: Make, two_hours: Archive
) -> None:
    """The latest state of each thing is what the messages of the time come to, or a later one."""
    bench = make_bench(Latest)
    count_all(bench)
    bench.execute(damage, start=START)
    (row,) = of(check(bench, two_hours), "latest").differences.rows
    states = [side and side["message"]["id"] for side in (row.actual, row.recounted)]
    assert (row.key["category_constraint"], *states) == difference


def test_a_later_state_is_no_difference(make_bench: Make, two_hours: Archive) -> None:
    """What came after the time that is checked has replaced what the time has."""
    bench = make_bench(Latest)
    count_all(bench, range(800))
    assert check(bench, two_hours).differing == 0


def test_what_is_not_complete_is_named_and_not_checked(make_bench: Make, two_hours: Archive) -> None:
    """Only windows that lie wholly in what the plugin has covered are compared."""
    bench = make_bench(Good)
    count_all(bench, range(180, 540), Span(START + 1790, START + 5410))
    report = check(bench, two_hours)
    (finding,) = report.findings
    assert (finding.windows, report.differing) == (60, 0)
    assert finding.incomplete == [Span(START, START + 1790), Span(START + 5410, START + 7200)]


def test_a_window_that_is_not_over_is_not_checked(make_bench: Make, two_hours: Archive) -> None:
    """The bounds are those of windows."""
    bench = make_bench(Good)
    count_all(bench)
    report = check(bench, two_hours, since=START + 1, until=START + 239)
    assert report.findings[0].windows == 2


def test_a_sample_fetches_only_what_was_drawn(make_bench: Make, two_hours: Archive) -> None:
    """The same seed draws the same windows."""
    bench = make_bench(Good, Other)
    count_all(bench)
    works = [
        Verification(bench.app, (), START, HOURS.stop, Sample(5, seed)).spans.values() for seed in (1, 1, 2)
    ]
    drawn = [[list(spans) for spans in work] for work in works]
    assert drawn[0] == drawn[1] != drawn[2]
    report = check(bench, two_hours, sample=Sample(5, 1))
    assert sum(finding.windows for finding in report.findings) == 5
    asked = {(int(e["given"]["start"]), int(e["given"]["end"])) for e in two_hours.log()}
    assert asked == {(span.start, span.stop) for spans in drawn[0] for span in spans}


def test_a_sample_finds_what_is_damaged_everywhere(make_bench: Make, two_hours: Archive) -> None:
    """All of the windows are drawn if there are no more."""
    bench = make_bench(Good)
    count_all(bench)
    bench.execute("UPDATE test_good SET volume = volume + 1")
    assert check(bench, two_hours, sample=Sample(1000, 1)).differing == 360


def test_messages_in_the_quarantine_are_no_difference(
    make_bench: Make, two_hours: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told how many there are and how many would count now; damage beside them is found all the same."""
    monkeypatch.setattr(Good, "process", refuse("b"))
    bench = make_bench(Good)
    count_all(bench)
    bench.execute(
        "UPDATE test_good SET volume = 7 WHERE word = 'a' AND timestamp = to_timestamp(:s)", s=START
    )
    report = check(bench, two_hours)
    finding = of(report, "good")
    assert (finding.quarantined, finding.would_count, finding.refused) == (240, 0, 0)
    assert found(report) == {(0, "a", 7, 2)}
    monkeypatch.setattr(Good, "process", lambda self, message: self.count(message, message["msg"]["word"]))
    report = check(bench, two_hours)
    assert (of(report, "good").would_count, report.differing) == (240, 1)


def test_messages_that_only_the_recount_refuses_are_told(
    make_bench: Make, two_hours: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They count in the table, and their windows differ."""
    bench = make_bench(Good)
    count_all(bench)
    monkeypatch.setattr(Good, "process", refuse("b"))
    report = check(bench, two_hours, until=START + 60)
    assert (of(report, "good").refused, found(report)) == (2, {(0, "b", 2, None)})


def test_messages_that_the_archive_lacks_are_told(make_bench: Make, two_hours: Archive) -> None:
    """They were counted, the ledger knows."""
    bench = make_bench(Good)
    bench.intake.accept(body(5000, "x", 10))
    count_all(bench)
    report = check(bench, two_hours)
    assert (of(report, "good").lacking, found(report)) == (1, {(0, "x", 1, None)})


def test_messages_that_come_late_to_the_archive_are_waited_for(make_bench: Make, two_hours: Archive) -> None:
    """The archive is asked for them again."""
    bench = make_bench(Good, Latest)
    bench.intake.accept(body(5000, "x", 10))
    count_all(bench)
    two_hours.add([body(5000, "x", 10)], request=2)
    report = check(bench, two_hours)
    assert (of(report, "good").lacking, report.differing) == (0, 0)


def test_a_plugin_that_fails_for_all_cannot_be_checked(make_bench: Make, two_hours: Archive) -> None:
    """The others are."""
    bench = make_bench(Good, Bad)
    Bad.trouble = staticmethod(lambda session: None)
    count_all(bench)
    Bad.trouble = staticmethod(lambda session: 1 / 0)
    report = check(bench, two_hours)
    Bad.trouble = staticmethod(lambda session: None)
    assert "division" in of(report, "bad").failed
    assert (report.checked, report.differing, of(report, "good").windows) == (False, 0, 120)


def test_a_plugin_cannot_write_other_tables(make_bench: Make, two_hours: Archive) -> None:
    """What it writes past its own table meets an error, and changes nothing."""
    bench = make_bench(Good, Bad)
    Bad.trouble = staticmethod(lambda session: None)
    count_all(bench)
    Bad.trouble = staticmethod(lambda session: session.execute(text("DELETE FROM public.test_good")))
    report = check(bench, two_hours)
    Bad.trouble = staticmethod(lambda session: None)
    assert "read-only" in of(report, "bad").failed


def test_a_plugin_of_unknown_shape_is_told_of(make_bench: Make, two_hours: Archive) -> None:
    """The others are checked."""
    bench = make_bench(Good, Keeper)
    count_all(bench)
    report = check(bench, two_hours)
    assert (report.differing, report.checked) == (0, False)
    assert report.unfit == [
        "keeper cannot be counted again: it does not say what its rows come from (BasePlugin.rows)"
    ]


def test_a_plugin_with_state_of_its_own_can_be_checked(
    make_bench: Make, two_hours: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It need only say what its rows come of, and reads what it has written itself."""
    monkeypatch.setattr(Keeper, "rows", Good.rows)
    bench = make_bench(Keeper)
    count_all(bench)
    report = check(bench, two_hours)  # Keeper adds everything to one row, outside the time
    assert (report.differing, report.checked) == (0, True)


def test_holes_are_not_checked(make_bench: Make, two_hours: Archive) -> None:
    """Around them the windows are."""
    bench = make_bench(Good)
    count_all(bench)
    bench.execute("DELETE FROM test_good WHERE timestamp = to_timestamp(:start + 60)", start=START)
    two_hours.fail(Fault.CUT, around=START + 3600.5)
    report = check(bench, two_hours)
    assert report.holes
    assert not report.checked
    assert report.differing == 3
    assert 90 < report.findings[0].windows < 120


def test_nothing_to_check_is_told(make_bench: Make, two_hours: Archive) -> None:
    """It is no success."""
    bench = make_bench(Good)
    with pytest.raises(StatscacheError, match="there is no window to check"):
        check(bench, two_hours)
    with pytest.raises(StatscacheError, match="no plugin 'better' runs here"):
        check(bench, two_hours, "better")
