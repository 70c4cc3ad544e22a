"""Of a table that is partitioned by time a whole partition is dropped at once, when all of it is to be dropped."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from statscache.schema.partitioning import make_partitions, partitioned
from statscache.span import Span
from statscache.store.not_kept import drop
from statscache.upkeep.retention.drop import drop_some
from statscache.upkeep.retention.restore import restore
from tests.support.recounting import START, body
from tests.support.retention import (
    Hours,
    KeptBench,
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
from tests.upkeep.retention.conftest import MakeKept
from tests.upkeep.retention.test_partitioning import DAY, partitions

MONTH = timedelta(days=30)
KEEP = {"1s": MONTH}
#: The first second of the day that START is of, less START, and a day that is more than a month later.
MIDNIGHT, LATER = -22 * 3600, 33 * DAY
#: Four days of messages, 20 minutes apart.
BODIES = [body(number, second=MIDNIGHT + number * 1200) for number in range(4 * 72)]
DAYS = [f"p2023_11_{day}" for day in (14, 15, 16, 17)]
A_DAY = [Span(MIDNIGHT + number * DAY, MIDNIGHT + (number + 1) * DAY) for number in range(4)]
COVERED = "UPDATE statscache_coverage SET covered = covered - CAST(:gap AS tstzmultirange) WHERE plugin = 'words-1m'"


@pytest.fixture
def words(make_kept: MakeKept) -> KeptBench:
    """A daemon that has counted four days, of which three are old enough, by the second, the minute and the hour."""
    bench = make_kept(Seconds, Minutes, Hours, keep=KEEP)
    for each in BODIES:
        bench.intake.accept(each)
    bench.flush()
    covers(bench, span=Span(START + MIDNIGHT, START + A_DAY[3].stop))
    for _ in DAYS:
        make_partitions(bench.engine, bench.app.parts, partitioned(bench.app.parts, KEEP))
    covers(bench, span=Span(START + MIDNIGHT, START + LATER))
    return bench


def old_days(bench: KeptBench) -> list[str]:
    """Return which of the four days have a partition."""
    return [its for its in partitions(bench, "test_words_1s") if its in DAYS]


def kept(second: int) -> bool:
    """Return whether a window is kept: all days before the one that a month before LATER is of are not."""
    return second >= START + A_DAY[3].start


def test_a_partition_goes_whole(words: KeptBench) -> None:
    """One at a time, and nobody is said to have removed anything."""
    assert old_days(words) == DAYS
    dropped = drop_all(words, keeping(words, _1s=MONTH))
    assert [Span(its.span.start - START, its.span.stop - START) for its in dropped] == A_DAY[:3]
    assert old_days(words) == DAYS[3:]
    assert rows(words, "test_words_1s") == expected(BODIES, 1, kept)
    assert rows(words, "test_words_1m") == expected(BODIES, 60)
    assert gone(words, "test_words_1s") == [Span(A_DAY[0].start, A_DAY[2].stop)]
    words.keep_up()
    assert words.execute("SELECT * FROM statscache_removed") == []
    assert drop_all(words, keeping(words, _1s=MONTH)) == []


def test_late_messages_of_it_are_not_written(words: KeptBench) -> None:
    """Nor do they make a partition again."""
    drop_all(words, keeping(words, _1s=MONTH))
    sends(words, MIDNIGHT + 5)
    make_partitions(words.engine, words.app.parts, partitioned(words.app.parts, KEEP))
    assert old_days(words) == DAYS[3:]
    assert rows(words, "test_words_1s") == expected(BODIES, 1, kept)


def test_what_is_less_than_a_partition_goes_row_by_row(words: KeptBench) -> None:
    """What the coarser table lacks stays; once that has it, the rest of the partition goes with it."""
    words.execute(COVERED, gap="{[2023-11-15 10:00:00+00,2023-11-15 11:00:00+00)}")
    tables = keeping(words, _1s=MONTH)
    drop_all(words, tables)
    assert old_days(words) == [DAYS[1], DAYS[3]]
    hour = range(START + A_DAY[1].start + 10 * 3600, START + A_DAY[1].start + 11 * 3600)
    assert rows(words, "test_words_1s") == expected(BODIES, 1, lambda second: kept(second) or second in hour)
    words.execute(
        COVERED.replace("- CAST", "+ CAST"), gap="{[2023-11-15 10:00:00+00,2023-11-15 11:00:00+00)}"
    )
    drop_all(words, tables)
    assert old_days(words) == DAYS[3:]
    assert gone(words, "test_words_1s") == [Span(A_DAY[0].start, A_DAY[2].stop)]


def test_a_partition_without_rows_that_is_not_kept_goes(words: KeptBench) -> None:
    """As where its rows went one by one."""
    tables = keeping(words, _1s=MONTH)
    words.execute("SET LOCAL statscache.writes = 'on'; DELETE FROM test_words_1s_p2023_11_14")
    with words.engine.begin() as connection:
        drop(connection, "test_words_1s", Span(START + A_DAY[0].start, START + A_DAY[0].stop))
    drop_all(words, tables)
    assert old_days(words) == DAYS[3:]


def test_who_reads_the_table_is_waited_for_a_second_only(words: KeptBench) -> None:
    """Then all is as it was, and it is tried again."""
    [its] = keeping(words, _1s=MONTH)
    with words.engine.begin() as reader:
        reader.execute(text("SELECT count(*) FROM test_words_1s"))
        assert drop_some(words.engine, its) is None
    assert old_days(words) == DAYS
    assert gone(words, "test_words_1s") == []
    assert drop_some(words.engine, its) is not None


def test_it_can_be_restored(words: KeptBench) -> None:
    """It is a gap then, and its messages find room."""
    drop_all(words, keeping(words, _1s=MONTH))
    [part] = [part for part in words.app.parts if part.ident == "words-1s"]
    assert restore(words.engine, part, 0) == [Span(START + A_DAY[0].start, START + A_DAY[2].stop)]
    for each in BODIES:
        words.intake.accept(each)
    words.flush()
    for _ in DAYS:
        make_partitions(words.engine, words.app.parts, partitioned(words.app.parts, {"1s": 100 * MONTH}))
    assert rows(words, "test_words_1s") == expected(BODIES, 1)
    assert rows(words, "test_words_1m") == expected(BODIES, 60)
