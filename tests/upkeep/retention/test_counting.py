"""Nothing that counts ever writes a row of a window that is not kept, whichever way a message comes."""

from __future__ import annotations

from typing import Any

import pytest
from urllib3 import Retry

from statscache.database.lock import counting
from statscache.errors import StatscacheError
from statscache.history.archives.archive import Slice
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.recount.rebuild import rebuild
from statscache.history.recount.verify import Verification
from statscache.history.slice_counter import SliceCounter
from statscache.span import Span
from statscache.store.coverage import gaps, uncover
from statscache.upkeep.retention.restore import restore
from tests.support.durations import Sent
from tests.support.durations import expected as durations_of
from tests.support.durations import found as durations_in
from tests.support.histories import flush as send_all
from tests.support.recounting import HOURS, START, body
from tests.support.retention import (
    HALF_AN_HOUR,
    TABLES,
    Hours,
    KeptBench,
    KeptLengths,
    Minutes,
    Seconds,
    covers,
    drop_all,
    expected,
    gone,
    keeping,
    rows,
    sends,
)
from tests.system.datagrepper import Archive
from tests.upkeep.retention.conftest import MakeKept
from tests.upkeep.retention.test_drop import BODIES, OLD, from_old

LATE = {**body(0, "late", 100.0), "msg_id": "late 100"}


def dropped(bench: KeptBench) -> KeptBench:
    drop_all(bench, keeping(bench, _1s=HALF_AN_HOUR))
    return bench


def assert_late_counts_elsewhere(bench: KeptBench) -> None:
    """Check that the late message counts where its time is kept, and nowhere else."""
    assert rows(bench, "test_words_1s") == expected(BODIES, 1, from_old)
    for its in ("test_words_1m", "test_words_1h"):
        assert rows(bench, its) == expected([*BODIES, LATE], TABLES[its])


def test_a_late_message_counts_in_the_tables_that_keep_its_time(words: KeptBench) -> None:
    """Also one that comes twice."""
    dropped(words)
    sends(words, 100)
    sends(words, 100)
    assert_late_counts_elsewhere(words)


def test_a_message_that_another_daemon_took_before_the_drop_does_so(
    words: KeptBench, make_kept: MakeKept
) -> None:
    """Its plugins have queued it already, and its flush finds what is recorded."""
    other = make_kept(Seconds, Minutes, Hours)
    other.intake.accept(LATE)
    dropped(words)
    other.flush()
    assert_late_counts_elsewhere(words)
    sends(other, OLD + 100)
    assert rows(words, "test_words_1s")[START + OLD + 100, "late"] == 1


def test_a_message_of_the_quarantine_does_so(words: KeptBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves the quarantine all the same."""
    with monkeypatch.context() as patch:
        patch.setattr(Seconds, "count", None)
        sends(words, 100)
    assert [words.quarantined(its) for its in words.app.plugins] == [["late 100"]] * 3
    assert words.retry("words-1m") == words.retry("words-1h") == 1
    dropped(words)
    assert words.retry("words-1s") == 1
    assert words.quarantined("words-1s") == []
    assert_late_counts_elsewhere(words)


def test_a_replay_does_so(words: KeptBench) -> None:
    """Of messages that are in no ledger any more, of a time that nobody has covered."""
    dropped(words)
    words.execute("DELETE FROM statscache_ledger")
    words.execute("TRUNCATE test_words_1m")
    words.execute("UPDATE statscache_coverage SET covered = '{}'")
    counter = SliceCounter(words.app)
    found = counter.messages(Slice(HOURS, [body(number) for number in range(540)]))
    counter.count_loose(found)
    assert rows(words, "test_words_1s") == expected(BODIES, 1, from_old)
    assert rows(words, "test_words_1m") == expected(BODIES[:540], 60)


def test_a_slice_of_an_archive_does_so(words: KeptBench) -> None:
    """One that was fetched before the drop, and is counted after it."""
    with counting(words.engine) as connection:
        uncover(connection, ["words-1s"], Span(START, START + 60))
    words.execute("DELETE FROM statscache_ledger")
    dropped(words)
    with words.engine.connect() as connection:
        assert gaps(connection, ["words-1s"], HOURS) == {"words-1s": []}
    SliceCounter(words.app).count(Slice(Span(START, START + 60), BODIES[:6]), frozenset(["words-1s"]))
    assert rows(words, "test_words_1s") == expected(BODIES, 1, from_old)


def again(bench: KeptBench, archive: Archive, plugins: list[str], span: Span = HOURS) -> Any:
    told: list[str] = []
    source = Datagrepper(archive.url, retry=Retry(total=0))
    return rebuild(bench.app, source, plugins, span, told.append, pauses=(0.0, 0.0)), told


def test_a_rebuild_and_verify_leave_it_out(words: KeptBench, two_hours: Archive) -> None:
    """What is kept is counted again, and what is not stays away."""
    dropped(words)
    words.execute("DELETE FROM test_words_1s WHERE timestamp = to_timestamp(:start)", start=START + OLD)
    again(words, two_hours, [])
    assert rows(words, "test_words_1s") == expected(BODIES, 1, from_old)
    assert rows(words, "test_words_1m") == expected(BODIES, 60)
    report = Verification(words.app, [], HOURS.start, HOURS.stop).run(
        Datagrepper(two_hours.url, retry=Retry(total=0))
    )
    assert {its.target.table.name: its.differences.total for its in report.findings} == dict.fromkeys(
        TABLES, 0
    )
    windows = {its.target.table.name: its.windows for its in report.findings}
    assert windows == {"test_words_1s": 1800, "test_words_1m": 120, "test_words_1h": 2}
    with pytest.raises(StatscacheError, match="no window"):
        again(words, two_hours, ["words-1s"], Span(START, START + 600))


def test_restored_it_is_a_gap_that_an_archive_fills(words: KeptBench) -> None:
    """Each of its messages counts once more, though the ledger knew them, and those of others do not."""
    dropped(words)
    sends(words, 100)
    with pytest.raises(StatscacheError, match="that is not kept of words-1s is older"):
        restore(words.engine, words.app.parts[0], START + OLD)
    assert restore(words.engine, words.app.parts[0], 0) == [Span(START, START + OLD)]
    assert gone(words, "test_words_1s") == []
    with words.engine.connect() as connection:
        assert gaps(connection, [*words.app.plugins], HOURS) == {
            "words-1s": [Span(START, START + OLD)],
            "words-1m": [],
            "words-1h": [],
        }
    bodies = [*BODIES[:540], LATE]
    SliceCounter(words.app).count(Slice(Span(START, START + OLD), bodies), frozenset(words.app.plugins))
    assert {its: rows(words, its) for its in TABLES} == {
        its: expected([*BODIES, LATE], length) for its, length in TABLES.items()
    }
    with pytest.raises(StatscacheError, match="all of words-1s is kept"):
        restore(words.engine, words.app.parts[0], 0)


def test_restored_a_message_in_the_quarantine_counts_once(
    words: KeptBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its retry, and not by the archive, too."""
    with monkeypatch.context() as patch:
        patch.setattr(Seconds, "count", None)
        sends(words, 100)
    assert words.retry("words-1m") == words.retry("words-1h") == 1
    dropped(words)
    restore(words.engine, words.app.parts[0], 0)
    SliceCounter(words.app).count(
        Slice(Span(START, START + OLD), [*BODIES[:540], LATE]), frozenset(["words-1s"])
    )
    assert words.retry("words-1s") == 1
    assert rows(words, "test_words_1s") == expected([*BODIES, LATE], 1)


BEGIN, END = ("began", "a", None, None), ("ended", "a", "x", "ann")


def test_durations_of_dropped_windows_stay_away_and_the_others_are_right(make_kept: MakeKept) -> None:
    """A begin that comes late changes an end that is kept, and none that is not."""
    bench = make_kept(KeptLengths)
    early = [Sent(START + 120, "m1", (END,)), Sent(START + OLD + 20, "m2", (END,))]
    send_all(bench, early)
    covers(bench)
    drop_all(bench, keeping(bench))
    assert [span.stop for span in gone(bench, "test_lengths")] == [OLD]
    late = [Sent(START + 100, "m3", (BEGIN,)), Sent(START + OLD - 10, "m4", (BEGIN,))]
    send_all(bench, late)
    kept = {key: its for key, its in durations_of([*early, *late]).items() if key[0] >= START + OLD}
    assert len(kept) == 1
    assert durations_in(bench) == kept
