"""Old rows are dropped, together with the note that their windows are not kept, once a coarser table has their time."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from statscache.span import Span
from statscache.store.coverage import gaps
from statscache.store.ledger import prune
from statscache.upkeep.retention import chore
from statscache.upkeep.retention.chore import DropOldRows
from statscache.upkeep.retention.drop import drop_some
from statscache.upkeep.retention.outlook import outlooks
from tests.support.recounting import HOURS, START, body, count_all, dump
from tests.support.retention import (
    HALF_AN_HOUR,
    TABLES,
    KeptBench,
    Minutes,
    Seconds,
    Stateful,
    covers,
    drop_all,
    expected,
    freshness,
    gone,
    keeping,
    rows,
    sends,
    staying,
)
from tests.support.sql import run
from tests.support.stopping import Killer
from tests.upkeep.retention.conftest import MakeKept

BODIES = [body(number) for number in range(720)]
#: The last 20 minutes.
LATE = "{[2023-11-14 23:40:00+00,2023-11-15 00:00:00+00)}"
#: What is older than half an hour, where all of two hours is covered: in seconds after START.
OLD = 5400


def from_old(start: int) -> bool:
    return start >= START + OLD


def test_old_rows_go_and_all_others_stay(words: KeptBench) -> None:
    """In every table, some rows at a time; what is gone is recorded."""
    assert {its: rows(words, its) for its in TABLES} == {
        its: expected(BODIES, length) for its, length in TABLES.items()
    }
    dropped = drop_all(words, keeping(words, _1s=HALF_AN_HOUR))
    assert rows(words, "test_words_1s") == expected(BODIES, 1, from_old)
    for its in ("test_words_1m", "test_words_1h"):
        assert rows(words, its) == expected(BODIES, TABLES[its])
    assert sum(its.rows for its in dropped) == 540
    assert max(its.rows for its in dropped) == 100
    assert gone(words, "test_words_1s") == [Span(0, OLD)]
    assert words.execute("SELECT * FROM statscache_removed") == []


def test_nothing_is_dropped_by_default(words: KeptBench) -> None:
    """Whatever there is."""
    assert keeping(words) == []


def test_what_is_dropped_is_neither_complete_nor_a_gap(words: KeptBench) -> None:
    """The view says so, and the plugin lacks nothing."""
    drop_all(words, keeping(words, _1s=HALF_AN_HOUR))
    found = freshness(words, "test_words_1s")
    assert (found.complete_from.timestamp(), found.open_gaps) == (START + OLD, 0)
    query = "SELECT not_kept = tstzmultirange(tstzrange(to_timestamp(:a), to_timestamp(:b))), complete && not_kept "
    query += "FROM statscache_freshness WHERE table_name = 'test_words_1s'"
    assert words.execute(query, a=START, b=START + OLD) == [(True, False)]
    words.execute(
        "UPDATE statscache_coverage SET covered = covered * CAST(:late AS tstzmultirange)", late=LATE
    )
    with words.engine.connect() as connection:
        lacking = gaps(connection, list(words.app.plugins), HOURS)
    assert lacking == {
        "words-1s": [Span(START + OLD, START + 6000)],
        "words-1m": [Span(START, START + 6000)],
        "words-1h": [Span(START, START + 6000)],
    }


def test_a_table_is_dropped_only_where_the_next_coarser_one_has_all_of_whole_windows(
    words: KeptBench,
) -> None:
    """A gap of that keeps the windows that it touches, and status says why; once it is filled they go."""
    gap = "{[2023-11-14 22:10:30+00,2023-11-14 22:11:10+00)}"
    where = "WHERE plugin = 'words-1m'"
    words.execute(
        f"UPDATE statscache_coverage SET covered = covered - CAST(:gap AS tstzmultirange) {where}", gap=gap
    )
    drop_all(words, tables := keeping(words, _1s=HALF_AN_HOUR))
    assert gone(words, "test_words_1s") == [Span(0, 600), Span(720, OLD)]
    kept = expected(BODIES, 1, lambda second: from_old(second) or START + 600 <= second < START + 720)
    assert rows(words, "test_words_1s") == kept
    assert staying(words, tables) == [
        "test_words_1s keeps 2023-11-14 22:10:00 to 2023-11-14 22:12:00 UTC: test_words_1m does not have all of that "
        "time in whole windows"
    ]
    covers(words)
    drop_all(words, tables)
    assert gone(words, "test_words_1s") == [Span(0, OLD)]
    assert staying(words, tables) == []


def test_what_people_have_removed_from_the_coarser_table_keeps_the_finer_one(words: KeptBench) -> None:
    """Its own rows alone are the truth then."""
    times = "tstzmultirange(tstzrange(to_timestamp(:start), to_timestamp(:start + 60)))"
    noted = (
        f"INSERT INTO statscache_removed (table_name, times, how) VALUES ('test_words_1m', {times}, 'DELETE')"
    )
    words.execute(noted, start=START)
    drop_all(words, keeping(words, _1s=HALF_AN_HOUR))
    assert gone(words, "test_words_1s") == [Span(60, OLD)]


def test_the_last_table_of_a_statistic_goes_only_where_it_is_named(words: KeptBench) -> None:
    """Of the others the length of their windows is enough."""
    everything = keeping(words, _1s=HALF_AN_HOUR, _1m=HALF_AN_HOUR, _1h=HALF_AN_HOUR)
    drop_all(words, everything)
    assert rows(words, "test_words_1h") == expected(BODIES, 3600)
    assert [gone(words, its) for its in TABLES] == [[Span(0, OLD)], [Span(0, OLD)], []]
    assert staying(words, everything)[-1] == (
        "test_words_1h keeps 2023-11-14 22:00:00 to 2023-11-14 23:00:00 UTC: no table has longer windows of the same "
        "statistic, and statscache.keep does not name this plugin"
    )
    drop_all(words, keeping(words, words_1h=HALF_AN_HOUR))
    assert gone(words, "test_words_1h") == [Span(-START, 3600)]
    assert rows(words, "test_words_1h") == expected(BODIES, 3600, lambda start: start >= START + 3600)


def test_what_a_coarser_table_has_dropped_the_one_after_it_must_have(words: KeptBench) -> None:
    """So it does not matter which of two is dropped first."""
    drop_all(words, keeping(words, _1m=HALF_AN_HOUR))
    assert gone(words, "test_words_1m") == [Span(0, OLD)]
    drop_all(words, keeping(words, _1s=HALF_AN_HOUR))
    assert gone(words, "test_words_1s") == [Span(0, OLD)]


def test_the_ident_wins_over_the_length_and_that_over_the_author(make_kept: MakeKept) -> None:
    """An author's word lets a table without a coarser one go, but not before he says."""
    bench = make_kept(Seconds, Minutes, Stateful)
    day, week = timedelta(days=1), timedelta(days=7)

    def lengths(**keep: timedelta) -> dict[str, tuple[timedelta, bool]]:
        return {its.table.name: (its.wish.keep, its.wish.named) for its in keeping(bench, **keep)}

    assert lengths() == {"test_kept_stateful": (HALF_AN_HOUR, True)}
    assert lengths(_1m=day, words_1m=week) == {
        "test_words_1m": (week, True),
        "test_kept_stateful": (day, True),
    }
    assert lengths(_1m=timedelta(minutes=1))["test_kept_stateful"] == (timedelta(minutes=1), False)


def test_a_plugin_with_state_of_its_own_writes_no_row_of_what_is_dropped(make_kept: MakeKept) -> None:
    """Its messages are left out before it gets them."""
    bench = make_kept(Stateful)
    count_all(bench)
    drop_all(bench, keeping(bench))
    sends(bench, 10, OLD + 10)
    query = "SELECT extract(epoch FROM min(timestamp))::int, sum(volume)::int FROM test_kept_stateful"
    assert bench.execute(query) == [(START + OLD, 181)]


def test_the_ledger_forgets_what_is_not_kept(words: KeptBench) -> None:
    """Nobody has to fill it, covered or not."""
    drop_all(words, keeping(words, _1s=HALF_AN_HOUR))
    words.execute("UPDATE statscache_coverage SET since = to_timestamp(:start)", start=START)
    words.execute("UPDATE statscache_coverage SET covered = '{}' WHERE plugin = 'words-1s'")
    words.execute("UPDATE statscache_ledger SET counted_at = counted_at - interval '30 days'")
    assert prune(words.engine, timedelta(days=8)) == 540


def test_killed_before_any_statement_it_goes_on_where_it_was(words: KeptBench) -> None:
    """Each time a batch has happened or not: what is recorded has no rows, and of what is not, none is missing."""
    (its,) = keeping(words, _1s=HALF_AN_HOUR)
    killer = Killer(words.engine)
    while gone(words, "test_words_1s") != [Span(0, OLD)]:
        for killer.left in range(100):
            done = None
            with suppress(DBAPIError, ConnectionError):
                done = drop_some(words.engine, its, 200)
            killer.left = None
            lost = [Span(START + span.start, START + span.stop) for span in gone(words, "test_words_1s")]
            kept = expected(BODIES, 1, lambda second, lost=lost: not any(second in span for span in lost))
            assert rows(words, "test_words_1s") == kept
            if done:
                break
    assert killer.kills > 3 * 10


def test_a_window_with_many_keys_goes_at_once(make_kept: MakeKept) -> None:
    """However few rows a batch is to have, it has one window at least."""
    bench = make_kept(Seconds, Minutes)
    for number in range(20):
        bench.intake.accept({**body(0, f"w{number}", 30.0), "msg_id": str(number)})
    bench.flush()
    covers(bench)
    dropped = drop_all(bench, keeping(bench, _1s=HALF_AN_HOUR), rows=5)
    assert [its.rows for its in dropped if its.rows] == [20]
    assert gone(bench, "test_words_1s") == [Span(0, OLD)]


def test_rows_that_somebody_has_written_into_what_is_not_kept_go_again(words: KeptBench) -> None:
    """Such as a daemon of an earlier version, which knows nothing of it."""
    tables = keeping(words, _1s=HALF_AN_HOUR)
    drop_all(words, tables)
    words.execute("INSERT INTO test_words_1s VALUES (to_timestamp(:start), 'x', 1)", start=START + 5)
    assert [its.rows for its in drop_all(words, tables)] == [1]
    assert rows(words, "test_words_1s") == expected(BODIES, 1, from_old)


def test_age_counts_from_what_was_counted_last(words: KeptBench) -> None:
    """So a clock that is years ahead, or a daemon that was away for years, drops nothing."""
    assert START + 7200 < 1_700_100_000  # which is long ago
    drop_all(words, keeping(words, _1s=timedelta(hours=2)))
    assert gone(words, "test_words_1s") == []
    words.execute("UPDATE statscache_coverage SET covered = '{}'")
    drop_all(words, keeping(words, _1s=HALF_AN_HOUR))
    assert gone(words, "test_words_1s") == []


def test_the_daemon_does_it_by_itself(make_kept: MakeKept, monkeypatch: pytest.MonkeyPatch) -> None:
    """And looks again after a while."""
    bench = make_kept(Seconds, Minutes, keep={"1s": HALF_AN_HOUR})
    count_all(bench)
    monkeypatch.setattr(chore, "PACE", 0.0)
    bench.keep_up()
    assert gone(bench, "test_words_1s") == [Span(0, OLD)]
    covers(bench, span=Span(START + 7200, START + 7260))
    bench.keep_up()
    assert gone(bench, "test_words_1s") == [Span(0, OLD + 60)]


def test_not_while_the_clock_of_the_database_may_be_wrong(words: KeptBench) -> None:
    """As for the ledger."""
    clocks = words.daemon.clocks
    clocks.note_database(0.0, clocks.monotonic(), clocks.monotonic())
    its = DropOldRows(words.engine, words.app.parts, {"1s": HALF_AN_HOUR}, clocks)
    assert not its.run()
    assert gone(words, "test_words_1s") == []


def test_a_name_that_nobody_reads_is_said(words: KeptBench, caplog: pytest.LogCaptureFixture) -> None:
    """It is misspelt, as a rule."""
    DropOldRows(words.engine, words.app.parts, {"wrods-1s": HALF_AN_HOUR}, words.daemon.clocks)
    assert "names 'wrods-1s', which is no plugin that runs and no length of windows" in caplog.text


def test_looking_changes_nothing(words: KeptBench) -> None:
    """As `statscache prune --dry-run` and `statscache status` do."""
    before = dump(words.engine)
    with words.engine.connect() as connection:
        (found,) = outlooks(connection, keeping(words, _1s=HALF_AN_HOUR))
    assert found.pending == [Span(START, START + OLD)]
    assert dump(words.engine) == before


def test_nothing_is_dropped_while_a_daemon_may_run_that_knows_nothing_of_it(
    words: KeptBench, engine: Engine
) -> None:
    """Its view would call complete what is dropped. Once it is gone, all goes that may."""
    keep = keeping(words, _1s=HALF_AN_HOUR)
    run(engine, "INSERT INTO statscache_spool (id, position, updated) VALUES ('earlier', 0, now())")
    assert drop_all(words, keep) == []
    assert rows(words, "test_words_1s") == expected(BODIES, 1)
    with words.engine.connect() as connection:
        [found] = [its for its in outlooks(connection, keep) if its.staying]
    assert "before 1.0.0" in found.why
    run(engine, "UPDATE statscache_spool SET updated = now() - interval '25 hours' WHERE id = 'earlier'")
    assert sum(its.rows for its in drop_all(words, keep)) == 540
