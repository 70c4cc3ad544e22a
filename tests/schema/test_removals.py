"""What somebody removes from a table by hand is not complete any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from statscache.database.lock import counting
from statscache.schema.watching import watch
from statscache.span import Span
from statscache.store.coverage import cover
from statscache.store.removals import counted_again, noted, removals, removed
from tests.support.bench import Bench, Good, Keeper, Other
from tests.support.databases import new_database
from tests.support.measured import Sizes
from tests.support.measured import body as measured
from tests.support.recounting import Latest, body
from tests.support.sql import url_of
from tests.support.tools import Tools, plain

Make = Callable[..., Bench]
DAY = Span(0, 86_400)
FILL = (
    "INSERT INTO test_good (timestamp, word, volume) SELECT to_timestamp(minute * 60), word, 5 "
    "FROM generate_series(0, 1439) AS minute, unnest(ARRAY['a', 'b']) AS word"
)


@pytest.fixture
def filled(make_bench: Make) -> Bench:
    """A daemon that has covered a day, with two rows in each minute."""
    return fill(make_bench(Good, Other))


def fill(bench: Bench) -> Bench:
    with counting(bench.engine) as connection:
        cover(connection, ["good", "other"], DAY)
        connection.execute(text(FILL))
    bench.keep_up()
    return bench


@contextmanager
def by_hand(bench: Bench) -> Iterator[Connection]:
    """Give a transaction of somebody else."""
    engine = create_engine(url_of(bench.engine.url))
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def do(bench: Bench, *statements: str) -> None:
    """Run statements as somebody else."""
    with by_hand(bench) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def gone(bench: Bench, table: str = "test_good") -> list[tuple[int, int]]:
    """Return which minutes of the day are not complete, from which one to before which."""
    query = (
        "SELECT extract(epoch FROM lower(part))::int / 60, extract(epoch FROM upper(part))::int / 60 "
        "FROM statscache_freshness, unnest(tstzmultirange(tstzrange('epoch', to_timestamp(86400))) - complete) AS part "
        "WHERE table_name = :table ORDER BY 1"
    )
    return [tuple(row) for row in bench.execute(query, table=table)]


ALL = [(0, 1440)]
AT = "timestamp = to_timestamp({} * 60)"


@pytest.mark.parametrize(
    ("statement", "minutes"),
    [
        ("DELETE FROM test_good WHERE word = 'a' AND " + AT.format(7), [(7, 8)]),
        ("DELETE FROM test_good WHERE timestamp < to_timestamp(600)", [(0, 10)]),
        ("DELETE FROM test_good WHERE false", []),
        ("DELETE FROM test_good", ALL),
        ("UPDATE test_good SET volume = 4 WHERE word = 'b' AND " + AT.format(9), [(9, 10)]),
        ("UPDATE test_good SET volume = volume + 1", []),
        ("UPDATE test_good SET volume = volume", []),
        ("UPDATE test_good SET volume = 0 WHERE false", []),
        ("UPDATE test_good SET word = 'c' WHERE word = 'b' AND " + AT.format(3), [(3, 4)]),
        ("UPDATE test_good SET timestamp = to_timestamp(90000) WHERE word = 'b' AND " + AT.format(3), [(3, 4)]),
        ("INSERT INTO test_good VALUES (to_timestamp(0), 'a', 1) ON CONFLICT (timestamp, word) DO UPDATE "
         "SET volume = test_good.volume + 1", []),
        ("INSERT INTO test_good VALUES (to_timestamp(0), 'a', 1) ON CONFLICT (timestamp, word) DO UPDATE "
         "SET volume = excluded.volume", [(0, 1)]),
        ("WITH old AS (DELETE FROM test_good WHERE " + AT.format(5) + " RETURNING *) SELECT count(*) FROM old",
         [(5, 6)]),
        ("INSERT INTO test_good VALUES (to_timestamp(0), 'new', 1)", []),
        ("MERGE INTO test_good AS t USING (VALUES (6)) AS s (minute) ON t.timestamp = to_timestamp(s.minute * 60) "
         "WHEN MATCHED AND word = 'a' THEN DELETE WHEN MATCHED THEN UPDATE SET volume = volume + 1", [(6, 7)]),
        ("CREATE TABLE copy AS TABLE test_good; TRUNCATE test_good; INSERT INTO test_good TABLE copy", ALL),
        ("TRUNCATE test_good", ALL),
        ("TRUNCATE test_other, test_good", ALL),
        ("SET statscache.writes = 'no'; TRUNCATE test_good", ALL),
        ("ALTER TABLE test_good RENAME TO away", ALL),
        ("DROP TABLE test_good", ALL),
        ("CREATE SCHEMA other; ALTER TABLE test_good SET SCHEMA other", ALL),
        ("CREATE TABLE copy (LIKE test_good INCLUDING ALL); INSERT INTO copy SELECT * FROM test_good; "
         "DROP TABLE test_good; ALTER TABLE copy RENAME TO test_good", ALL),
        ("VACUUMS", []),
        ("ALTER TABLE test_good ALTER volume TYPE numeric; ALTER TABLE test_good ALTER volume TYPE bigint", []),
        ("ALTER TABLE test_good ADD COLUMN note text; ALTER TABLE test_good DROP COLUMN note", []),
        ("SET session_replication_role = replica; TRUNCATE test_good", "later"),
        ("ALTER TABLE test_good DISABLE TRIGGER ALL; TRUNCATE test_good", "later"),
    ],
)  # fmt: skip
def test_what_is_removed_by_hand_is_not_complete(statement: str, minutes: Any, filled: Bench) -> None:
    """The windows of rows that are gone are not, at once and after the daemon has looked; all others are."""
    if statement == "VACUUMS":
        with create_engine(url_of(filled.engine.url), isolation_level="AUTOCOMMIT").connect() as connection:
            for each in (
                "VACUUM FULL test_good",
                "CLUSTER test_good USING test_good_pkey",
                "REINDEX TABLE test_good",
            ):
                connection.execute(text(each))
    else:
        do(filled, statement)
    if minutes == "later":
        minutes = ALL
    else:
        assert gone(filled) == minutes
    filled.keep_up()
    assert gone(filled) == minutes
    filled.keep_up()
    assert gone(filled) == minutes
    assert gone(filled, "test_other") == (ALL if "test_other" in statement else [])


@pytest.mark.parametrize(
    ("change", "minutes"),
    [
        ("UPDATE test_sizes SET count = count + 1", [(1, 2)]),
        ("UPDATE test_sizes SET sum = sum + 1, greatest = greatest + 1", [(1, 2)]),
        ("UPDATE test_sizes SET least = least - 0.000000001", [(1, 2)]),
        ("UPDATE test_sizes SET sum = sum + 0.000", []),
        ("DELETE FROM test_sizes", [(1, 2)]),
    ],
)
def test_no_figure_of_a_measure_may_be_changed_by_hand(change: str, minutes: Any, make_bench: Make) -> None:
    """Not even a count may grow, as nobody knows what was measured; and what the daemon writes is no change by hand."""
    bench = make_bench(Sizes)
    for number in range(3):
        bench.intake.accept(measured(number, 70, [["a", "int", "5"], ["a", "float", "0.5"]]))
        bench.flush()
    with counting(bench.engine) as connection:
        cover(connection, ["sizes"], DAY)
    bench.keep_up()
    assert gone(bench, "test_sizes") == []
    do(bench, change)
    assert gone(bench, "test_sizes") == minutes


@pytest.mark.parametrize("made", ["by a start", "by hand"])
def test_a_table_that_is_dropped_and_made_anew_is_not_complete_for_good(
    made: str, filled: Bench, make_bench: Make
) -> None:
    """Whoever makes it, and whether the daemon has seen it missing or not."""
    do(filled, "DROP TABLE test_good")
    if made == "by hand":
        filled.keep_up()
        do(
            filled,
            "CREATE TABLE test_good (timestamp timestamptz, word text, volume bigint, PRIMARY KEY (timestamp, word))",
        )
    filled.die()
    again = make_bench(Good, Other)
    assert gone(again) == ALL
    again.accept("x")
    again.flush()
    again.keep_up()
    assert gone(again) == ALL
    assert gone(again, "test_other") == []
    do(again, "DELETE FROM test_good")
    assert [removal.how for removal in summary(again)] == ["DELETE, DROP"]


def summary(bench: Bench) -> Any:
    with bench.engine.connect() as connection:
        return removals(connection)


def test_what_was_removed_names_who_how_and_how_much(filled: Bench) -> None:
    """So that somebody can be asked."""
    do(filled, "DELETE FROM test_good WHERE timestamp < to_timestamp(120)")
    row = filled.execute(
        "SELECT table_name, rows, how, who, noted > now() - interval '1 minute' FROM statscache_removed"
    )
    assert [tuple(each) for each in row] == [
        ("test_good", 4, "DELETE", filled.engine.url.username or "postgres", True)
    ]
    (removal,) = summary(filled)
    assert (removal.table, removal.rows, removal.how) == ("test_good", 4, "DELETE")
    assert (removal.start, removal.stop) == (datetime.fromtimestamp(0, UTC), datetime.fromtimestamp(120, UTC))
    with filled.engine.connect() as connection:
        assert removed(connection, ["test_good", "test_other"], Span(60, 600)) == {
            "test_good": [Span(60, 120)],
            "test_other": [],
        }


def test_what_somebody_removes_every_day_becomes_one_row(filled: Bench) -> None:
    """So a table that is thinned out for years costs no reader anything."""
    for minute in range(5):
        do(filled, "DELETE FROM test_good WHERE " + AT.format(minute))
        filled.execute("UPDATE statscache_removed SET noted = noted - interval '1 day'")
    do(filled, "UPDATE test_good SET volume = 0 WHERE " + AT.format(9), "TRUNCATE test_other")
    filled.keep_up()
    rows = filled.execute(
        "SELECT table_name, how, rows, (SELECT count(*) FROM unnest(times)) FROM statscache_removed ORDER BY id"
    )
    assert sorted(map(tuple, rows)) == [
        ("test_good", "DELETE", 10, 1),
        ("test_good", "UPDATE", 2, 1),
        ("test_other", "TRUNCATE", None, 1),
    ]
    assert gone(filled) == [(0, 5), (9, 10)]
    filled.execute("UPDATE statscache_removed SET who = NULL, noted = noted - interval '2 days'")
    filled.keep_up()
    assert gone(filled) == [(0, 5), (9, 10)]


def test_no_upkeep_waits_for_a_table_that_somebody_holds(filled: Bench) -> None:
    """What is not known of it is looked up later, and what was is not taken for lost."""
    do(filled, "TRUNCATE test_other")
    with create_engine(url_of(filled.engine.url), isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("VACUUM FULL test_good"))
    with by_hand(filled) as connection:
        connection.execute(text("LOCK TABLE test_good, test_other IN ACCESS EXCLUSIVE MODE"))
        start = time.monotonic()
        watch(filled.engine, filled.app.parts)
        assert time.monotonic() - start < 3
        assert gone(filled) == []
    filled.keep_up()
    assert gone(filled) == []
    assert gone(filled, "test_other") == ALL


def test_a_deletion_that_is_rolled_back_is_none(filled: Bench) -> None:
    """What it would have noted goes with it."""
    do(filled, "BEGIN; TRUNCATE test_good; ROLLBACK")
    assert gone(filled) == []


def test_no_flush_waits_for_a_deletion_that_is_not_committed(filled: Bench) -> None:
    """An open psql holds the rows that it has deleted, and nothing else."""
    with by_hand(filled) as connection:
        connection.execute(text("DELETE FROM test_good WHERE timestamp > to_timestamp(600)"))
        filled.accept("x")
        start = time.monotonic()
        filled.flush()
        filled.keep_up()
        assert time.monotonic() - start < 2
        assert gone(filled) == []
    assert gone(filled) == [(11, 1440)]


def test_what_the_daemon_and_its_plugins_delete_is_not_removed_by_hand(make_bench: Make) -> None:
    """A plugin may thin out its own table in its update."""

    class Thrifty(Good):
        name = "thrifty"

        def update(self, session: Any) -> None:
            session.execute(text("RESET ALL"))
            super().update(session)

    class Frugal(Other):
        name = "frugal"

        def update(self, session: Any) -> None:
            super().update(session)
            session.execute(text("DELETE FROM test_other"))

    bench = make_bench(Thrifty, Frugal, Keeper)
    bench.accept("x")
    bench.flush()
    bench.accept("y")
    bench.flush()
    assert bench.execute("SELECT * FROM statscache_removed") == []


PARTITIONED = """
ALTER TABLE test_good RENAME TO test_good_old;
CREATE TABLE test_good (LIKE test_good_old INCLUDING ALL) PARTITION BY RANGE (timestamp);
CREATE TABLE test_good_1 PARTITION OF test_good FOR VALUES FROM ('1970-01-01 00:10+00') TO ('1970-01-01 00:30+00');
CREATE TABLE test_good_2 PARTITION OF test_good DEFAULT;
WITH moved AS (DELETE FROM test_good_old WHERE timestamp >= to_timestamp(600) RETURNING *)
INSERT INTO test_good SELECT * FROM moved
"""


@pytest.mark.parametrize(
    ("statement", "minutes"),
    [
        ("DELETE FROM test_good WHERE " + AT.format(12), [(12, 13)]),
        ("DELETE FROM test_good_1 WHERE " + AT.format(12), [(12, 13)]),
        ("UPDATE test_good_1 SET volume = 1 WHERE " + AT.format(12), [(12, 13)]),
        ("TRUNCATE test_good_1", [(10, 30)]),
        ("TRUNCATE test_good", ALL),
        ("DROP TABLE test_good_1", [(10, 30)]),
        ("ALTER TABLE test_good DETACH PARTITION test_good_1", [(10, 30)]),
        ("ALTER TABLE test_good_1 RENAME TO other", []),
        ("DROP TABLE test_good_2", ALL),
        (
            "CREATE TABLE test_good_3 PARTITION OF test_good FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')",
            [],
        ),
    ],
)
def test_partitions_are_watched_too(statement: str, minutes: Any, filled: Bench) -> None:
    """A statement on one of them, which fires no trigger of the table, and the loss of one."""
    with by_hand(filled) as connection:
        connection.execute(text("SET LOCAL statscache.writes = 'on'"))
        connection.exec_driver_sql(PARTITIONED)
        connection.exec_driver_sql(
            "ALTER TABLE test_good ATTACH PARTITION test_good_old "
            "FOR VALUES FROM ('1970-01-01 00:00+00') TO ('1970-01-01 00:10+00')"
        )
    filled.keep_up()
    assert gone(filled) == []
    do(filled, statement)
    assert gone(filled) == minutes
    filled.keep_up()
    assert gone(filled) == minutes


def test_a_table_of_latest_states_may_be_rewritten(make_bench: Make) -> None:
    """Its oldest state goes when a newer one comes, and nothing is gone for all that."""
    bench = make_bench(Latest)
    for number in (0, 300):
        bench.intake.accept(body(number, "x"))
        bench.flush()
        bench.keep_up()
        do(bench, "SET LOCAL statscache.writes = 'off'; ALTER TABLE test_latest ALTER rank TYPE numeric")
        do(bench, "ALTER TABLE test_latest ALTER rank TYPE bigint")
    bench.keep_up()
    assert summary(bench) == []
    do(bench, "DELETE FROM test_latest")
    (removal,) = summary(bench)
    assert (removal.table, removal.rows) == ("test_latest", 1)
    assert (removal.stop - removal.start).total_seconds() == 1


def test_somebody_who_may_only_delete_can(filled: Bench) -> None:
    """He needs no right to what statscache keeps for itself, and cannot use its function for more."""
    do(
        filled,
        "DROP ROLE IF EXISTS cleaner; CREATE ROLE cleaner; GRANT SELECT, DELETE ON test_good TO cleaner; "
        "GRANT CREATE ON SCHEMA public TO cleaner; SET ROLE cleaner; DELETE FROM test_good WHERE "
        + AT.format(1),
    )
    assert gone(filled) == [(1, 2)]
    steal = (
        "SET ROLE cleaner; CREATE TABLE own (n int); CREATE TRIGGER t BEFORE TRUNCATE ON own "
        "FOR EACH STATEMENT EXECUTE FUNCTION statscache_note_removed('test_other')"
    )
    with pytest.raises(Exception, match="permission denied for function"):
        do(filled, steal)
    do(filled, "DROP OWNED BY cleaner; DROP ROLE cleaner")


def test_nobodys_temporary_table_catches_what_is_noted(filled: Bench) -> None:
    """Whatever is in the session's own schema or search path."""
    do(
        filled,
        "CREATE TEMPORARY TABLE statscache_removed (table_name text, times tstzmultirange, rows bigint, how text, "
        "who text, noted timestamptz); SET search_path = pg_temp; SET DateStyle = 'German'; "
        "SET TIME ZONE 'Asia/Tokyo'; "
        "DELETE FROM public.test_good WHERE " + AT.format(1) + "; TRUNCATE public.test_other",
    )
    assert gone(filled) == [(1, 2)]
    assert gone(filled, "test_other") == ALL


def test_a_restore_of_the_whole_database_is_no_removal(
    filled: Bench, tool: Tools, server: Engine, tmp_path: Path
) -> None:
    """Its tables are others than they were, here or elsewhere, and as complete as they were; triggers come along."""
    do(filled, "DELETE FROM test_good WHERE " + AT.format(1))
    url, dump = url_of(filled.engine.url), str(tmp_path / "dump")
    tool("pg_dump", "--format=custom", f"--file={dump}", f"--dbname={plain(url)}")
    with new_database(server) as elsewhere:
        tool("pg_restore", f"--dbname={plain(elsewhere)}", dump)
        other = Bench(elsewhere, tmp_path / "other", Good, Other)
        assert gone(other) == [(1, 2)]
        other.keep_up()
        do(other, "DELETE FROM test_good WHERE " + AT.format(5))
        assert gone(other) == [(1, 2), (5, 6)]
        other.die()
    tool("pg_restore", "--clean", "--single-transaction", f"--dbname={plain(url)}", dump)
    assert gone(filled) == [(1, 2)]
    do(filled, "DELETE FROM test_good WHERE " + AT.format(7))
    watch(filled.engine, filled.app.parts)
    assert gone(filled) == [(1, 2), (7, 8)]
    assert gone(filled, "test_other") == []


def test_a_restore_of_one_table_alone_is_a_removal(filled: Bench, tool: Tools, tmp_path: Path) -> None:
    """Nobody knows what the other table had, and the new one is watched, too."""
    url, dump = url_of(filled.engine.url), str(tmp_path / "dump")
    tool("pg_dump", "--format=custom", "--table=test_good", f"--file={dump}", f"--dbname={plain(url)}")
    tool("pg_restore", "--clean", "--table=test_good", f"--dbname={plain(url)}", dump)
    do(filled, "ALTER TABLE test_good ADD PRIMARY KEY (timestamp, word)")
    assert gone(filled) == ALL
    filled.keep_up()
    assert gone(filled) == ALL
    triggers = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'test_good'::regclass AND NOT tgisinternal"
    assert filled.execute(triggers) == [(3,)]


def test_a_table_that_somebody_holds_is_watched_later(filled: Bench, caplog: Any) -> None:
    """The daemon does not wait for an open transaction; the log says so once, and the triggers are made after it."""
    do(filled, "DROP TRIGGER statscache_delete ON test_good")
    with by_hand(filled) as connection:
        connection.execute(text("INSERT INTO test_good VALUES (now(), 'held', 1)"))
        for _ in range(2):
            start = time.monotonic()
            filled.keep_up()
            assert time.monotonic() - start < 3
    assert caplog.text.count('test_good" cannot note what is removed from it by hand') == 1
    filled.keep_up()
    do(filled, "DELETE FROM test_good WHERE " + AT.format(5))
    assert gone(filled) == [(5, 6)]


def test_many_windows_far_apart_are_noted_by_the_day(make_bench: Make) -> None:
    """What is noted stays small, and no window outside of the first and the last row is touched."""
    bench = make_bench(Good)
    with counting(bench.engine) as connection:
        connection.execute(
            text(
                "INSERT INTO test_good SELECT to_timestamp(minute * 120), 'a', 1 "
                "FROM generate_series(1, 20000) AS minute"
            )
        )
    do(bench, "DELETE FROM test_good")
    (row,) = bench.execute("SELECT rows, times::text FROM statscache_removed")
    assert (row[0], row[1].count("[")) == (20_000, 1)
    assert row[1].startswith('{["1970-01-01 00:02:00')
    assert '"1970-01-28 18:41:00' in row[1]


def test_what_is_counted_again_is_complete_again(filled: Bench) -> None:
    """But not what somebody has removed since the table was read for that."""
    do(filled, "TRUNCATE test_good")
    with counting(filled.engine) as connection:
        rows = noted(connection, "test_good")
        connection.execute(text(FILL))
    do(filled, "DELETE FROM test_good WHERE " + AT.format(15))
    with counting(filled.engine) as connection:
        counted_again(connection, rows, Span(600, 1200))
    assert gone(filled) == [(0, 10), (15, 16), (20, 1440)]
    with counting(filled.engine) as connection:
        counted_again(connection, noted(connection, "test_good"), Span(0, 2_000_000_000))
    assert gone(filled) == []
