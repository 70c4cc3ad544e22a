"""Each table of counts answers the common questions by functions: a series over a range, and the greatest in it."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from statscache.daemon import Daemon
from statscache.database.lock import counting
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.recount.rebuild import rebuild
from statscache.hosting.loader import Part
from statscache.plugins import Base, CountingPlugin, CountModel, Schedule, counting_model
from statscache.schema.freshness import NAME, create_views
from statscache.schema.functions.create import create_functions, definitions
from statscache.schema.functions.table import WindowTable
from statscache.schema.objects import see_to
from statscache.schema.tables import create_tables
from statscache.span import Span
from statscache.store.coverage import cover
from tests.support.bench import MINUTE, Bench, Good, Other
from tests.support.recounting import HOURS, START, body, count_all
from tests.system.datagrepper import Archive

Make = Callable[..., Bench]
T = "to_timestamp"
OF_GOOD = ["test_good_periods", "test_good_series", "test_good_series", "test_good_top"]


class Everything(CountingPlugin):
    """Counts under no key."""

    name = summary = description = "everything"
    model = counting_model("test_everything", "messages")

    def process(self, message: Any) -> None:
        self.count(message)


class Odd(CountingPlugin):
    """Has a table and keys with names that are hard to live with."""

    name = summary = description = "odd names"
    model = counting_model(
        "test_'odd\" %s:x", "it's 100 % \\ odd", **{"start": "a", "key1": "b", 'n"o %(x)s': "c"}
    )

    def process(self, message: Any) -> None:
        self.count(message, message["msg"]["word"], "one", "two")


class Apart(CountModel):
    """A table in a schema of its own."""

    __tablename__ = "test_apart"
    __table_args__ = ({"schema": "apart"},)


for odd in (Odd.model, Apart):
    Base.metadata.remove(odd.__table__)  # else other tests' daemons would make it, too


class Long(CountingPlugin):
    """Has a table whose name leaves no room for that of a function."""

    name = summary = description = "long"
    model = counting_model("test_" + "l" * 55, "messages")

    def process(self, message: Any) -> None:
        self.count(message)


def with_functions(bench: Bench) -> Bench:
    """Make the functions of a bench's tables, as a daemon's start does."""
    create_functions(bench.engine, bench.app.parts)
    return bench


def seconds(rows: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return rows with the window's start as seconds after START."""
    return [(int(row[0].timestamp()) - START, *row[1:]) for row in rows]


def test_a_series_has_every_window_of_its_range(make_bench: Make) -> None:
    """From the window in which the range starts to the last that begins before its end; empty ones are zero."""
    bench = with_functions(make_bench(Everything))
    for number in (0, 1, 12, 30):  # in the minutes 0, 0, 2 and 5
        bench.intake.accept(body(number))
    bench.flush()
    with counting(bench.engine) as connection:
        cover(connection, ["everything"], Span(START + 60, START + 180))
    ask = f"SELECT * FROM test_everything_series({T}({START + 30}), {T}({START + 240}))"
    assert seconds(bench.execute(ask)) == [(0, 2, False), (60, 0, True), (120, 1, True), (180, 0, False)]
    more = f"SELECT * FROM test_everything_series({T}({START + 239.999999}), {T}({START + 240.000001}))"
    assert seconds(bench.execute(more)) == [(180, 0, False), (240, 0, False)]


def test_a_series_by_key(make_bench: Make) -> None:
    """Each key that occurs in the range has all its windows; one key is asked for by a third argument."""
    bench = with_functions(make_bench(Good))
    for number in (0, 1, 6, 100):  # a and b in minute 0, a in minute 1, b much later
        bench.intake.accept(body(number))
    bench.flush()
    bounds = f"{T}({START}), {T}({START + 120})"
    assert seconds(bench.execute(f"SELECT * FROM test_good_series({bounds})")) == [
        (0, "a", 1, False),
        (0, "b", 1, False),
        (60, "a", 1, False),
        (60, "b", 0, False),
    ]
    for word, volumes in (("b", [1, 0]), ("c", [0, 0])):
        rows = bench.execute(f"SELECT * FROM test_good_series({bounds}, '{word}')")
        assert seconds(rows) == [(0, word, volumes[0], False), (60, word, volumes[1], False)]


def test_the_greatest_of_a_range(make_bench: Make) -> None:
    """The keys with the greatest sums come first; it says whether all windows of the range are complete."""
    bench = with_functions(make_bench(Good, Everything))
    for number, word in enumerate("aabbbcd"):
        bench.intake.accept(body(number, word=word))
    bench.intake.accept(body(12, word="d"))
    bench.flush()
    with counting(bench.engine) as connection:
        cover(connection, ["good", "everything"], Span(START, START + 120))

    def top(table: str, end: int, *more: str) -> list[Any]:
        arguments = ", ".join((f"{T}({START})", f"{T}({START + end})", *more))
        return bench.execute(f"SELECT * FROM {table}_top({arguments})")

    assert top("test_good", 100) == [("b", 3, True), ("a", 2, True), ("c", 1, True), ("d", 1, True)]
    assert top("test_good", 121, "2") == [("b", 3, False), ("a", 2, False)]
    assert top("test_good", 121, "n => 1") == [("b", 3, False)]
    assert seconds(top("test_everything", 180, "n => 2")) == [(0, 6, True), (60, 1, True)]


def test_the_present_ends_a_range(make_bench: Make) -> None:
    """Windows that have not begun are not there, whatever the end; nor are any before 1970, nor is the reverse."""
    bench = with_functions(make_bench(Everything))
    now = datetime.now(UTC)
    bench.intake.accept({**body(0), "timestamp": (now + timedelta(days=2)).timestamp()})
    bench.flush()
    for end in ("'infinity'", "now() + interval '3 days'"):
        rows = bench.execute(f"SELECT * FROM test_everything_series(now() - interval '90 s', {end})")
        assert [row[1] for row in rows] in ([0, 0], [0, 0, 0])
    assert bench.execute("SELECT * FROM test_everything_top('-infinity', 'infinity')") == []
    first = bench.execute("SELECT min(timestamp) FROM test_everything_series('-infinity', '1970-01-02Z')")
    assert first == [(datetime(1970, 1, 1, tzinfo=UTC),)]
    for bounds in ("now(), now()", "now(), now() - interval '1 s'", "NULL, now()"):
        assert bench.execute(f"SELECT * FROM test_everything_series({bounds})") == []


def test_windows_that_start_elsewhere(make_bench: Make) -> None:
    """The windows of a schedule with an epoch of its own start where its rows do."""
    bench = make_bench(Everything)
    schedule = Schedule(timedelta(minutes=10), datetime(2020, 1, 1, 0, 3, tzinfo=UTC))
    plugin = Everything(schedule, {})
    create_functions(bench.engine, [Part("everything", plugin, lambda: plugin)])
    rows = bench.execute(f"SELECT * FROM test_everything_series({T}({START}), {T}({START + 600}))")
    assert seconds(rows) == [(-420, 0, False), (180, 0, False)]


def test_names_of_any_kind(make_bench: Make) -> None:
    """Quotes, percent signs and keys that are called as arguments are: all of it works."""
    bench = with_functions(make_bench(Odd))
    bench.accept("x")
    bench.flush()
    answers = bench.engine.connect().connection.cursor()
    answers.execute("""SELECT * FROM "test_'odd"" %s:x_series"(to_timestamp(0), to_timestamp(120))""")
    names = [column.name for column in answers.description or ()]
    assert names == ["timestamp", "start", "key1", 'n"o %(x)s', "volume", "complete"]
    assert [row[1:] for row in answers.fetchall()] == [
        ("x", "one", "two", 1, False),
        ("x", "one", "two", 0, False),
    ]
    answers.execute(
        """SELECT volume FROM "test_'odd"" %s:x_series"(to_timestamp(0), to_timestamp(60), 'x', 'one', 'two')"""
    )
    assert answers.fetchall() == [(1,)]
    answers.execute("""SELECT "start", volume FROM "test_'odd"" %s:x_top"(to_timestamp(0), stop => now())""")
    assert answers.fetchall() == [("x", 1)]


def test_a_table_with_too_long_a_name_is_left_without(make_bench: Make, caplog: Any) -> None:
    """It counts as all do; the log says that it has no functions."""
    bench = with_functions(make_bench(Long, Good))
    assert "is too long" in caplog.text
    assert functions(bench) == OF_GOOD


def functions(bench: Bench) -> list[str]:
    """Return the names of all functions that are there."""
    return [
        row[0] for row in bench.execute("SELECT proname FROM pg_proc WHERE proname ~ '^test_' ORDER BY 1")
    ]


def test_a_table_in_a_schema_of_its_own(make_bench: Make) -> None:
    """The functions are where the table is."""
    bench = make_bench(Everything)
    bench.execute("CREATE SCHEMA apart")
    create_tables(bench.engine, [Apart.__table__])
    plugin = Everything(MINUTE, {}, Apart)
    create_functions(bench.engine, [Part("everything", plugin, lambda: plugin)])
    assert bench.execute("SELECT volume FROM apart.test_apart_series(to_timestamp(0), to_timestamp(60))") == [
        (0,)
    ]


def test_a_table_can_be_dropped_and_comes_again(make_bench: Make) -> None:
    """No CASCADE is needed; the functions of a table that is gone say so, and work again once it is there."""
    bench = with_functions(make_bench(Good, Everything))
    bench.execute("DROP TABLE test_good")
    with pytest.raises(Exception, match=r'relation "public\.test_good" does not exist'):
        bench.execute("SELECT * FROM test_good_top(to_timestamp(0))")
    with_functions(bench)  # as at the start of a daemon without the plugin's table
    assert bench.execute("SELECT count(*) FROM test_everything_top(to_timestamp(0))") == [(0,)]
    create_tables(bench.engine, [Good.model.__table__])
    with_functions(bench)
    assert bench.execute("SELECT * FROM test_good_top(to_timestamp(0))") == []


def test_a_rebuild_leaves_them_be(make_bench: Make, two_hours: Archive) -> None:
    """The exchange of a table's rows does not mind who reads through its functions, and they see the new rows."""
    bench = with_functions(make_bench(Good))
    bench.execute("CREATE VIEW mine AS SELECT * FROM test_good_top(to_timestamp(0), to_timestamp(2e9))")
    count_all(bench)
    bench.execute("UPDATE test_good SET volume = 7")
    rebuild(bench.app, Datagrepper(two_hours.url), ["good"], HOURS, lambda sentence: None)
    assert [tuple(row)[:2] for row in bench.execute("SELECT * FROM mine")] == [
        ("a", 240),
        ("b", 240),
        ("c", 240),
    ]


def test_what_is_there_already_is_left_alone(make_bench: Make) -> None:
    """A second start changes nothing."""
    bench = with_functions(make_bench(Good))
    query = "SELECT oid, xmin FROM pg_proc WHERE proname ~ '^test_' ORDER BY 1"
    before = bench.execute(query)
    assert before
    with_functions(bench)
    assert bench.execute(query) == before


OLD = "COMMENT ON FUNCTION test_good_top(timestamptz{more}) IS 'older (definition 0123456789ab)'"


def test_an_older_version_is_replaced_in_place(make_bench: Make) -> None:
    """What others have built on a function stays, and so do the rights to it."""
    bench = with_functions(make_bench(Good))
    bench.execute(OLD.format(more=", timestamptz, integer"))
    bench.execute("CREATE VIEW mine AS SELECT * FROM test_good_top(to_timestamp(0))")
    oid = bench.execute("SELECT 'test_good_top'::regproc::oid")
    with_functions(bench)
    assert bench.execute("SELECT 'test_good_top'::regproc::oid") == oid
    comment = bench.execute("SELECT obj_description('test_good_top'::regproc)")[0][0]
    assert "the n keys with the greatest sums" in comment


def test_an_older_version_of_another_shape_is_replaced(make_bench: Make) -> None:
    """Functions with other arguments or another answer go, so that no question has two answers."""
    bench = make_bench(Good)
    bench.execute(
        "CREATE FUNCTION test_good_top(start timestamptz) RETURNS integer LANGUAGE sql AS $$SELECT 1$$;"
        'CREATE FUNCTION test_good_top("start" timestamptz, stop timestamptz, n integer) RETURNS integer '
        "LANGUAGE sql AS $$SELECT 1$$;"
    )
    for more in ("", ", timestamptz, integer"):
        bench.execute(OLD.format(more=more))
    with_functions(bench)
    assert functions(bench) == OF_GOOD
    assert bench.execute("SELECT * FROM test_good_top(to_timestamp(0))") == []


def test_a_function_that_is_not_ours_is_not_touched(make_bench: Make, caplog: Any) -> None:
    """It is named in the log, and everything else is made."""
    bench = make_bench(Good, Everything)
    bench.execute(
        "CREATE FUNCTION test_good_top(x integer) RETURNS integer LANGUAGE sql AS $$SELECT 41 + x$$"
    )
    with caplog.at_level(logging.ERROR):
        with_functions(bench)
    assert "FUNCTION public.test_good_top(x integer) has the name of one of statscache's own" in caplog.text
    assert bench.execute("SELECT test_good_top(1)") == [(42,)]
    assert "test_everything_top" in functions(bench)


def test_who_may_make_no_functions_still_counts(make_bench: Make, caplog: Any) -> None:
    """Rights that lack for a function are logged; a start goes on."""
    bench = make_bench(Good)
    role = f"poor_{uuid.uuid4().hex[:12]}"
    bench.execute(f"CREATE SCHEMA mine; CREATE ROLE {role}")
    counts = WindowTable(Good.model.__table__, "mine", "mine", MINUTE, {})
    with bench.engine.begin() as connection, caplog.at_level(logging.ERROR):
        connection.exec_driver_sql(f"SET LOCAL ROLE {role}")
        see_to(connection, definitions(counts))
    bench.execute(f"DROP ROLE {role}")
    assert "permission denied for schema mine" in caplog.text


def test_several_starts_at_once(make_bench: Make) -> None:
    """Whoever comes second finds it done."""
    bench = make_bench(Good, Other, Everything)
    bench.execute(f"DROP VIEW {NAME}")

    def start(_: int) -> None:
        create_views(bench.engine)
        with_functions(bench)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(8)))
    assert len(functions(bench)) == 11


def test_a_million_rows_are_not_read_for_a_few(make_bench: Make) -> None:
    """Indexes answer for a range, for one key, and for what the question itself filters by."""
    bench = with_functions(make_bench(Good))
    bench.execute(
        "INSERT INTO test_good "
        "SELECT to_timestamp(60 * (n / 50)), 'user' || n % 50, 1 FROM generate_series(0, 199999) AS n"
    )
    bench.execute("ANALYZE test_good")
    hour = f"{T}(120000), {T}(123600)"
    for question, rows in (
        (f"SELECT * FROM test_good_series({hour}, 'user7')", 60),
        (f"SELECT * FROM test_good_series({hour})", 3000),
        (f"SELECT * FROM test_good_series({hour}) WHERE word = 'user7'", 60),
        (f"SELECT * FROM test_good_top({hour})", 10),
        (
            f"SELECT s.* FROM test_good_top({hour}, 5) AS t, LATERAL test_good_series({hour}, t.word) AS s",
            300,
        ),
    ):
        assert len(bench.execute(question)) == rows
        plan = "\n".join(row[0] for row in bench.execute(f"EXPLAIN {question}"))
        assert "Seq Scan on test_good" not in plan, plan
        assert "Function Scan on test_good" not in plan, plan


def test_every_table_of_counts_has_them(daemon: Daemon) -> None:
    """A daemon's start makes them for each of its plugins that counts; all of them answer."""
    with daemon.engine.connect() as connection:
        query = "SELECT proname FROM pg_proc WHERE proname ~ '^data_.*_(series|top|periods)$' GROUP BY 1"
        found = set(connection.exec_driver_sql(query).scalars())
        tables = {
            part.plugin.model.__table__.name
            for part in daemon.app.parts
            if isinstance(part.plugin, CountingPlugin)
        }
        made = {f"{table}_{suffix}" for table in tables for suffix in ("series", "top", "periods")}
        assert made <= found
        for name in sorted(made):
            answer = connection.exec_driver_sql(f"SELECT * FROM {name}(now() - interval '1 hour')")
            assert {"volume", "complete"} < set(answer.keys())
