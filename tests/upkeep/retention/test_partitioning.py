"""Tables of which old rows are dropped are partitioned by time, and everything works on them as before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Column, DateTime, Engine, Identity, Index, Integer, MetaData, Table, text

from statscache.database.model import Instant
from statscache.schema.indexes import add_indexes
from statscache.schema.partitioning import _ahead, _can_be, make_partitions, partitioned
from statscache.schema.partitions.present import Partition, parted
from statscache.schema.partitions.statements import name_of
from statscache.schema.partitions.units import Unit
from statscache.schema.tables import create_tables
from statscache.span import Span
from tests.support.recounting import START, body, count_all
from tests.support.retention import TABLES, Hours, KeptBench, Minutes, Seconds, expected, rows
from tests.upkeep.retention.conftest import MakeKept

DAY = 86_400
KEEP = {"1s": timedelta(days=30), "1m": timedelta(days=400), "1h": timedelta(days=4000)}
BODIES = [body(number) for number in range(720)]
IN_PARTITIONS = (
    "SELECT relname, count(*) FROM {0} AS its JOIN pg_class AS c ON c.oid = its.tableoid "
    "GROUP BY relname ORDER BY relname"
)


def partitions(bench: KeptBench, table: str) -> list[str]:
    """Return the names of partitions, less that of their table."""
    query = (
        "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid "
        "WHERE inhparent = CAST(:table AS regclass) ORDER BY relname"
    )
    return [name.removeprefix(f"{table}_") for (name,) in bench.execute(query, table=table)]


def days(bench: KeptBench, form: str, *ahead: int) -> list[str]:
    """Return the names of the partitions so many days from now on."""
    [(now,)] = bench.execute("SELECT now()")
    return [(now.astimezone(UTC) + timedelta(days=number)).strftime(form) for number in ahead]


@pytest.fixture
def words(make_kept: MakeKept) -> Iterator[KeptBench]:
    """A daemon that has counted two hours of a day in 2023 into tables by the second, the minute and the hour."""
    bench = make_kept(Seconds, Minutes, Hours, keep=KEEP)
    count_all(bench)
    return bench


def test_short_windows_that_are_not_kept_for_ever_are_partitioned(words: KeptBench) -> None:
    """By the day where they are kept for less than 90 days, else by the month; some are made ahead of time."""
    assert partitions(words, "test_words_1s") == [*days(words, "p%Y_%m_%d", 0, 1, 2, 3), "rest"]
    [first] = days(words, "p%Y_%m", 0)
    assert [first, "rest"] == [partitions(words, "test_words_1m")[0], partitions(words, "test_words_1m")[-1]]
    assert len(partitions(words, "test_words_1m")) == 3
    assert partitions(words, "test_words_1h") == []


def test_nothing_is_partitioned_that_is_kept_for_ever(make_kept: MakeKept) -> None:
    """By default."""
    bench = make_kept(Seconds)
    assert partitions(bench, "test_words_1s") == []
    bench.keep_up()
    assert partitions(bench, "test_words_1s") == []


def test_rows_of_other_times_get_partitions_of_their_own(words: KeptBench) -> None:
    """They move, are counted into as before, and nobody has removed them."""
    words.daemon.upkeep.keep_up()
    assert words.execute(IN_PARTITIONS.format("test_words_1s")) == [("test_words_1s_p2023_11_14", 720)]
    assert words.execute(IN_PARTITIONS.format("test_words_1m")) == [("test_words_1m_p2023_11", 360)]
    for number in range(720, 740):
        words.intake.accept(body(number, second=10 * (number - 720)))
    words.flush()
    everything = [*BODIES, *(body(number, second=10 * (number - 720)) for number in range(720, 740))]
    for table, length in TABLES.items():
        assert rows(words, table) == expected(everything, length)
    words.daemon.upkeep.keep_up()
    assert words.execute("SELECT * FROM statscache_removed") == []


def test_a_new_file_of_the_rest_is_no_loss(words: KeptBench) -> None:
    """Rows that were moved are not missed by whoever looks at it again."""
    words.daemon.upkeep.keep_up()
    with words.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM FULL test_words_1s_rest"))
    words.daemon.upkeep.keep_up()
    assert words.execute("SELECT * FROM statscache_removed") == []


def test_rows_that_are_too_old_stay_in_the_rest(words: KeptBench) -> None:
    """No partition is made for what is to be dropped soon, and what is far ahead stays there, too."""
    for number, second in enumerate((-40 * DAY, -20 * DAY)):
        words.intake.accept({**body(0, "odd", second), "msg_id": f"odd {number}"})
    words.intake.accept({**body(0, "odd", 3600 * DAY * 10), "msg_id": "odd ahead"})
    words.flush()
    words.daemon.upkeep.keep_up()
    make_partitions(words.engine, words.app.parts, partitioned(words.app.parts, KEEP))
    found = words.execute(IN_PARTITIONS.format("test_words_1s"))
    assert found == [
        ("test_words_1s_p2023_10_25", 1),
        ("test_words_1s_p2023_11_14", 720),
        ("test_words_1s_rest", 2),
    ]


def test_what_is_removed_from_a_partition_is_noted(words: KeptBench) -> None:
    """At once when it is made."""
    make_partitions(words.engine, words.app.parts, partitioned(words.app.parts, KEEP))
    with words.engine.begin() as connection:
        connection.execute(text("SET LOCAL statscache.writes = ''"))
        connection.execute(
            text("DELETE FROM test_words_1s_p2023_11_14 WHERE timestamp < to_timestamp(:stop)"),
            {"stop": START + 5},
        )
    assert words.execute("SELECT how, rows FROM statscache_removed") == [("DELETE", 1)]


def test_who_reads_the_rest_is_waited_for_a_second_only(words: KeptBench) -> None:
    """Then the partition is made another time."""
    wanted = partitioned(words.app.parts, KEEP)
    with words.engine.begin() as reader:
        reader.execute(text("SELECT count(*) FROM test_words_1s_rest"))
        assert make_partitions(words.engine, words.app.parts, wanted) == []
        assert words.execute(IN_PARTITIONS.format("test_words_1s")) == [("test_words_1s_rest", 720)]
    make_partitions(words.engine, words.app.parts, wanted)
    assert words.execute(IN_PARTITIONS.format("test_words_1s")) == [("test_words_1s_p2023_11_14", 720)]


def test_a_name_that_is_taken_costs_a_partition_and_no_row(words: KeptBench) -> None:
    """It is told, and the rows stay where they are."""
    words.execute("CREATE TABLE test_words_1s_p2023_11_14 ()")
    wanted = partitioned(words.app.parts, KEEP)
    [failure] = make_partitions(words.engine, words.app.parts, wanted)
    assert failure.startswith(
        "test_words_1s gets no partition for 2023-11-14 00:00:00 to 2023-11-15 00:00:00 UTC (relation "
    )
    assert rows(words, "test_words_1s") == expected(BODIES, 1)


def test_a_month_that_has_days_already_gets_a_day(words: KeptBench) -> None:
    """As where rows are kept for longer than before."""
    make_partitions(words.engine, words.app.parts, partitioned(words.app.parts, KEEP))
    words.intake.accept({**body(0, "odd", -DAY), "msg_id": "the day before"})
    words.flush()
    longer = {**KEEP, "1s": timedelta(days=300)}
    make_partitions(words.engine, words.app.parts, partitioned(words.app.parts, longer))
    assert words.execute(IN_PARTITIONS.format("test_words_1s")) == [
        ("test_words_1s_p2023_11_13", 1),
        ("test_words_1s_p2023_11_14", 720),
    ]


def test_days_end_with_their_month_where_months_are_made_now(words: KeptBench) -> None:
    """So that the next month is one partition."""
    with words.engine.connect() as connection:
        [its] = parted(connection, [Seconds.model.__table__])
    second = int(datetime(2024, 2, 28, 12, tzinfo=UTC).timestamp())
    days = Unit.DAY.periods(second)
    held = replace(its, partitions=(Partition(0, "", days[0]),))
    assert _ahead(held, Unit.MONTH, second) == [
        (Unit.DAY, days[0]),
        (Unit.DAY, days[1]),
        (Unit.MONTH, Unit.MONTH.period(days[2].start)),
    ]
    assert _ahead(held, Unit.DAY, second) == [(Unit.DAY, day) for day in days]
    months = Unit.MONTH.periods(second)
    assert _ahead(replace(its, partitions=()), Unit.MONTH, second) == [
        (Unit.MONTH, month) for month in months
    ]


def test_an_index_is_added_to_each_partition(words: KeptBench, caplog: pytest.LogCaptureFixture) -> None:
    """At once where they are small; else the log has commands that keep nobody waiting."""
    table = Seconds.model.__table__
    its = table.to_metadata(MetaData())
    Index("by_volume", its.c.volume, its.c.timestamp)
    valid = "SELECT count(*), bool_and(indisvalid) FROM pg_index WHERE pg_get_indexdef(indexrelid) LIKE '%(volume,%'"
    add_indexes(words.engine, [its], small=-1)
    assert words.execute(valid) == [(0, None)]
    commands = caplog.messages[-1].partition("everything goes on: ")[2].split("; ")
    assert len(commands) == 6
    with words.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for command in commands:
            connection.execute(text(command))
    assert words.execute(valid) == [(6, True)]
    words.execute("DROP INDEX by_volume")
    add_indexes(words.engine, [its])
    assert words.execute(valid) == [(6, True)]


@pytest.mark.parametrize(
    ("columns", "can"),
    [
        ([Column("timestamp", Instant, primary_key=True), Column("n", Integer, primary_key=True)], True),
        ([Column("timestamp", DateTime(timezone=True), primary_key=True)], True),
        ([Column("timestamp", DateTime, primary_key=True)], False),
        ([Column("timestamp", Instant), Column("n", Integer, primary_key=True)], False),
        ([Column("timestamp", Instant, primary_key=True), Column("n", Integer, unique=True)], False),
        ([Column("timestamp", Instant, primary_key=True), Column("n", Integer, Identity())], False),
    ],
)
def test_only_tables_whose_keys_have_the_timestamp(columns: list[Any], can: bool) -> None:
    """PostgreSQL asks for that."""
    assert _can_be(Table("test_able", MetaData(), *columns)) is can


def test_what_cannot_be_partitioned_is_created_whole(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told."""
    table = Table("test_whole", MetaData(), Column("n", Integer, primary_key=True))
    assert create_tables(engine, [table], by_time=[table]) == {}
    assert caplog.messages[-1].startswith("test_whole cannot be partitioned by time: ")
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT relkind FROM pg_class WHERE relname = 'test_whole'")) == "r"


def test_names_are_short_enough_and_differ() -> None:
    """However long the table's is."""
    long = ["é" * 30 + "a", "é" * 30 + "b"]
    names = [name_of(each, "p2023_11_14") for each in [*long, "data"]]
    assert [len(name.encode()) <= 63 for name in names] == [True] * 3
    assert len(set(names)) == 3
    assert names[2] == "data_p2023_11_14"


def test_periods_are_days_and_months_of_utc() -> None:
    """The first and the last second are in them."""
    for unit, start, stop in (
        (Unit.DAY, (2024, 2, 29), (2024, 3, 1)),
        (Unit.MONTH, (2024, 12, 1), (2025, 1, 1)),
    ):
        ends = [int(datetime(*day, tzinfo=UTC).timestamp()) for day in (start, stop)]
        assert unit.period(ends[0]) == unit.period(ends[1] - 1) == Span(*ends)
