"""A plugin's table gets the form of a later version of the plugin, while daemons of both run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from sqlalchemy import Engine, text
from urllib3 import Retry

from statscache.database.lock import counting
from statscache.errors import StatscacheError
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.backfill import Backfill
from statscache.history.recount.rebuild import rebuild
from statscache.store.buses import EVER
from statscache.store.coverage import cover
from statscache.store.remade import since_emptied
from statscache.upkeep.remaking import InTheWay, Plan, WouldLose, remake
from tests.support.bench import Bench, Good
from tests.support.durations import Lengths
from tests.support.recounting import HOURS, START, body, count_all, dump
from tests.support.remade import TABLE, ByTopic, ByTopicToo, ByWord, part_of
from tests.support.sql import run, scalar
from tests.system.datagrepper import Archive

Make = Callable[..., Bench]

PARTITIONED = f"""
SET LOCAL statscache.writes = 'on';
ALTER TABLE {TABLE} RENAME TO whole;
CREATE TABLE {TABLE} (LIKE whole INCLUDING ALL) PARTITION BY RANGE (timestamp);
DROP TABLE whole;
CREATE TABLE {TABLE}_part PARTITION OF {TABLE} FOR VALUES FROM ('2023-01-01+00') TO ('2025-01-01+00');
CREATE TABLE {TABLE}_odd PARTITION OF {TABLE} DEFAULT;
"""


def cells(engine: Engine, table: str = TABLE) -> list[dict[str, Any]]:
    """Return all rows of a table, each by the names of its columns, in any order of these."""
    with engine.connect() as connection:
        rows = connection.scalars(text(f"SELECT to_jsonb(its) FROM {table} AS its"))
        return in_order(rows)


def in_order(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: sorted((name, str(value)) for name, value in row.items()))


def remade(bench: Bench, kind: type[ByWord] = ByTopicToo, accept_loss: bool = True) -> Plan:
    return remake(bench.engine, [part_of(kind), part_of(Good)], "grown", accept_loss)


def fill(bench: Bench, archive: Archive) -> int:
    """Count from an archive what is lacking, and return how many messages that were."""
    work = Backfill(bench.app, frozenset(bench.app.plugins), HOURS.start, HOURS.stop)
    work.run(Datagrepper(archive.url, retry=Retry(total=0)), lambda sentence: None, lambda *_: None)
    return work.counted


def covered(bench: Bench) -> str:
    return str(scalar(bench.engine, "SELECT covered::text FROM statscache_coverage WHERE plugin = 'grown'"))


def test_it_is_counted_anew_from_an_archive(
    make_bench: Make, two_hours: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    """Cell by cell as if it had never been another; nothing is complete before, and nothing of others changes."""
    old = make_bench(ByWord, Good)
    count_all(old)
    good = cells(old.engine, "test_good")
    its = remade(old)
    assert [each.table.name for each in its.emptied] == [TABLE]
    assert (cells(old.engine), covered(old)) == ([], "{}")
    counted = "SELECT DISTINCT plugins FROM statscache_ledger JOIN statscache_plugin_set ON id = plugin_set"
    assert old.execute(counted) == [(["good"],)]
    new = make_bench(ByTopicToo, Good)
    assert fill(new, two_hours) == 720
    assert cells(new.engine, "test_good") == good
    assert cells(new.engine) == in_order({**row, "topic": "a.b.c.d"} for row in good)
    assert new.execute("SELECT * FROM statscache_removed") == []
    assert new.execute("SELECT * FROM statscache_version") == []


def test_a_partitioned_table_is_made_anew_with_all_its_partitions(
    make_bench: Make, two_hours: Archive
) -> None:
    """They take the new form, and what an archive has is counted into them."""
    old = make_bench(ByWord, Good)
    old.execute(PARTITIONED)
    count_all(old)
    good = cells(old.engine, "test_good")
    assert len(cells(old.engine, f"ONLY {TABLE}_part")) == len(good)
    remade(old)
    new = make_bench(ByTopicToo, Good)
    assert fill(new, two_hours) == 720
    assert cells(new.engine, f"ONLY {TABLE}_part") == in_order({**row, "topic": "a.b.c.d"} for row in good)
    assert cells(new.engine, f"{TABLE}_odd") == []


def test_it_can_lose_a_key_and_have_it_back(make_bench: Make, two_hours: Archive) -> None:
    """Each version's table is that of its model."""
    count_all(make_bench(ByWord, Good))
    for kind in (ByTopicToo, ByTopic, ByWord):
        bench = make_bench(Good)
        remade(bench, kind)
        bench = make_bench(kind, Good)
        assert fill(bench, two_hours) == 720
        assert len(cells(bench.engine)) == {ByTopic: 120}.get(kind, 360)
        assert {*cells(bench.engine)[0]} == {column.name for column in kind.model.__table__.columns}
        assert sum(row["volume"] for row in cells(bench.engine)) == 720


def test_an_old_daemon_stops_counting_it_and_loses_nothing(
    make_bench: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """What it hears waits in the quarantine, once, until a daemon of the new version counts it; all others go on."""
    old = make_bench(ByWord, Good)
    old.accept("a", "b")
    old.flush()
    old.accept("c")
    remade(old)
    old.flush()
    old.accept("d", "c")
    old.flush()
    assert old.quarantined("grown") == ["3", "4", "5"]
    assert (cells(old.engine), old.volume("test_good")) == ([], 5)
    old.keep_up()
    assert (
        len([its for its in caplog.records if "grown is left alone by this process" in its.getMessage()]) == 1
    )
    assert old.execute("SELECT * FROM statscache_suspension") == []
    assert old.app.suspensions.present["grown"].reason.startswith("its table was made anew")
    new = make_bench(ByTopicToo, Good)
    for sender in (new, old):
        sender.send("5")
        sender.send("6", "c")
        sender.flush()
    assert new.retry("grown") == 3
    assert old.retry("grown") == 0
    assert {row["word"]: row["volume"] for row in cells(new.engine)} == {"c": 3, "d": 1}
    assert old.volume("test_good") == 6


def test_an_old_daemon_that_is_started_again_does_not_count_it(make_bench: Make) -> None:
    """Its version is earlier than the table's, whatever the table looks like."""
    make_bench(ByWord, Good)
    remade(make_bench(Good))
    bench = make_bench(ByTopicToo, Good)
    bench.execute("UPDATE statscache_remade SET version = 3")
    bench.accept("a")
    bench.flush()
    assert (cells(bench.engine), bench.quarantined("grown")) == ([], ["1"])


def test_nothing_that_was_counted_before_is_covered_after(make_bench: Make) -> None:
    """A daemon claims time that it heard some minutes ago: of the table it can claim none of before."""
    bench = make_bench(Good)
    remade(make_bench(ByWord, Good))
    bench = make_bench(ByTopicToo, Good)
    bench.execute(f"UPDATE statscache_remade SET emptied = to_timestamp({START + 60})")
    with counting(bench.engine) as connection:
        cover(connection, bench.app.plugins, HOURS, within=since_emptied(EVER))
    start, all_of_it = bench.execute(
        "SELECT extract(epoch FROM lower(covered))::bigint FROM statscache_coverage ORDER BY plugin"
    )
    assert (start[0], all_of_it[0]) == (START, START + 61)


def test_what_was_counted_of_a_time_to_come_is_gone(make_bench: Make) -> None:
    """It will not come again, though a daemon will claim that time."""
    bench = make_bench(ByWord, Good)
    ahead = scalar(bench.engine, "SELECT extract(epoch FROM now())::bigint + 3600")
    bench.intake.accept(body(1, second=ahead - START))
    bench.intake.accept(body(2))
    bench.flush()
    remade(bench)
    assert bench.execute(
        "SELECT table_name, extract(epoch FROM lower(times))::bigint, how FROM statscache_removed"
    ) == [(TABLE, ahead, "statscache upgrade")]


def test_nothing_is_lost_unless_somebody_says_so(make_bench: Make) -> None:
    """All stays as it is, in all tables."""
    bench = make_bench(ByWord, Good)
    count_all(bench)
    before = dump(bench.engine)
    with pytest.raises(WouldLose, match=f"{TABLE} would lose all rows"):
        remade(bench, accept_loss=False)
    with pytest.raises(StatscacheError, match="no plugin 'x' runs here"):
        remake(bench.engine, [part_of(ByWord)], "x", True)
    assert dump(bench.engine) == before


def test_a_table_that_fits_is_left_alone(make_bench: Make) -> None:
    bench = make_bench(ByWord, Good)
    count_all(bench)
    before = dump(bench.engine)
    assert remade(bench, ByWord).tables == []
    assert dump(bench.engine) == before


KEPT = {
    "a wider type": (
        "ALTER TABLE {0} ALTER volume TYPE integer",
        "CREATE VIEW nothing AS SELECT timestamp FROM {0}",
    ),
    "a foreign column": (
        "ALTER TABLE {0} ADD host text NOT NULL DEFAULT 'x'; ALTER TABLE {0} ALTER host DROP DEFAULT",
    ),
    "no key": ("ALTER TABLE {0} DROP CONSTRAINT {0}_pkey",),
}


@pytest.mark.parametrize("name", KEPT)
def test_rows_are_kept_where_they_can_be(name: str, make_bench: Make) -> None:
    """With their coverage, as counted by the version of before."""
    bench = make_bench(ByWord, Good)
    count_all(bench)
    before, times = cells(bench.engine), covered(bench)
    run(bench.engine, *(statement.format(TABLE) for statement in KEPT[name]))
    later = type("Later", (ByWord,), {"version": 2})
    its = remake(bench.engine, [part_of(later)], "grown", False)
    assert (len(its.tables), its.emptied) == (1, [])
    bench.accept("z")
    bench.flush()
    assert [{key: row[key] for key in before[0]} for row in cells(bench.engine)] == before
    assert bench.quarantined("grown") == ["1"]
    new = make_bench(later, Good)
    new.retry("grown")
    assert len(cells(new.engine)) == len(before) + 1
    assert covered(new) == times
    assert new.execute("SELECT version FROM statscache_version") == [(1,)]


DEPENDENTS = """
CREATE VIEW seen AS SELECT timestamp, volume FROM test_grown;
COMMENT ON VIEW seen IS 'a view'; COMMENT ON COLUMN seen.volume IS 'its column';
CREATE VIEW nested WITH (security_barrier) AS SELECT sum(volume) AS total FROM seen;
CREATE MATERIALIZED VIEW stored AS SELECT timestamp, count(*) AS number FROM nested, test_grown GROUP BY timestamp;
CREATE UNIQUE INDEX ON stored (timestamp);
GRANT SELECT ON seen, nested, stored TO {role}; ALTER VIEW nested OWNER TO {role};
CREATE FUNCTION total() RETURNS numeric LANGUAGE SQL BEGIN ATOMIC SELECT sum(volume) FROM test_grown; END;
CREATE FUNCTION rows_of(since timestamptz) RETURNS SETOF test_grown LANGUAGE SQL
    AS 'SELECT * FROM test_grown WHERE timestamp > since';
CREATE FUNCTION noticed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER own AFTER INSERT ON test_grown EXECUTE FUNCTION noticed();
CREATE RULE quiet AS ON DELETE TO test_grown DO ALSO NOTIFY quiet;
ALTER TABLE test_grown ENABLE ROW LEVEL SECURITY;
CREATE POLICY part ON test_grown FOR SELECT TO {role} USING (volume > 0);
CREATE PUBLICATION news FOR TABLE test_grown (timestamp, volume) WITH (publish = 'insert');
GRANT SELECT ON test_grown TO {role}; GRANT UPDATE (volume) ON test_grown TO {role};
ALTER TABLE test_grown SET (fillfactor = 70);
CREATE STATISTICS together ON timestamp, volume FROM test_grown;
COMMENT ON TABLE test_grown IS 'our own words';
"""
#: What there is of all of these, in words, without what differs between two databases.
CATALOGUE = """
SELECT 'view', viewname, definition, NULL FROM pg_views WHERE schemaname = 'public'
UNION ALL SELECT 'stored', matviewname, definition, ispopulated::text FROM pg_matviews
UNION ALL SELECT 'function', proname, pg_get_functiondef(oid), NULL FROM pg_proc WHERE proname IN ('total', 'rows_of')
UNION ALL SELECT 'policy', policyname, roles::text, qual FROM pg_policies
UNION ALL SELECT 'publication', tablename, attnames::text, pubname FROM pg_publication_tables
UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(oid), NULL FROM pg_trigger WHERE tgrelid = 'test_grown'::regclass
UNION ALL SELECT 'rule', rulename, ev_class::regclass::text, NULL FROM pg_rewrite WHERE rulename = 'quiet'
UNION ALL SELECT 'statistics', stxname, pg_get_statisticsobjdef(oid), NULL FROM pg_statistic_ext
UNION ALL SELECT 'rights', relname, relacl::text, concat_ws(' ', pg_get_userbyid(relowner), reloptions::text,
    relrowsecurity::text, obj_description(oid)) FROM pg_class
    WHERE relname IN ('test_grown', 'seen', 'nested', 'stored')
UNION ALL SELECT 'columns', attname, attacl::text, col_description(attrelid, attnum) FROM pg_attribute
    WHERE attrelid IN ('test_grown'::regclass, 'seen'::regclass) AND attname IN ('timestamp', 'volume')
ORDER BY 1, 2, 3
"""


def test_all_that_hangs_on_the_table_stays(make_bench: Make, role: str) -> None:
    """Views of views, stored ones, functions, policies, publications, rights, triggers, comments, options."""
    bench = make_bench(ByWord, Good)
    count_all(bench)
    run(bench.engine, DEPENDENTS.format(role=role))
    before = bench.execute(CATALOGUE)
    assert {its[0] for its in before} >= {
        "view",
        "stored",
        "function",
        "policy",
        "publication",
        "rights",
        "columns",
    }
    remade(bench)
    assert bench.execute(CATALOGUE) == before
    new = make_bench(ByTopicToo, Good)
    new.accept("a", "b")
    new.flush()
    assert new.execute("SELECT total FROM nested") == [(2,)]
    assert len(new.execute("SELECT * FROM rows_of('-infinity')")) == 2


IN_THE_WAY = {
    "a view": ("CREATE VIEW words AS SELECT word FROM test_grown", "view words"),
    "a stored view": (
        "CREATE MATERIALIZED VIEW words AS SELECT word FROM test_grown",
        "materialized view words",
    ),
    "a function": (
        "CREATE FUNCTION words() RETURNS text LANGUAGE SQL BEGIN ATOMIC SELECT max(word) FROM test_grown; END",
        "function words()",
    ),
    "a policy": (
        "CREATE POLICY part ON test_grown USING (word <> 'x')",
        "policy part on table test_grown",
    ),
    "a publication": (
        "CREATE PUBLICATION news FOR TABLE test_grown (timestamp, word)",
        "publication of table test_grown in publication news",
    ),
    "a foreign key": (
        "CREATE TABLE other (timestamp timestamptz, word text, FOREIGN KEY (timestamp, word) REFERENCES test_grown)",
        "constraint other_timestamp_word_fkey on table other",
    ),
    "a view by the key": (
        "CREATE VIEW words AS SELECT timestamp, volume FROM test_grown GROUP BY timestamp, word",
        "view words",
    ),
}


@pytest.mark.parametrize("name", IN_THE_WAY)
def test_what_cannot_stay_keeps_all_as_it_is(name: str, make_bench: Make) -> None:
    """It is named, and nothing is changed in any table."""
    bench = make_bench(ByWord, Good)
    count_all(bench)
    statement, named = IN_THE_WAY[name]
    run(bench.engine, statement)
    before = dump(bench.engine)
    with pytest.raises(InTheWay, match="nothing was changed") as error:
        remade(bench, ByTopic)
    assert f"{TABLE}: {named}" in str(error.value)
    assert dump(bench.engine) == before
    bench.accept("a")
    bench.flush()
    assert bench.quarantined("grown") == []


def test_who_reads_the_table_is_waited_for(make_bench: Make) -> None:
    """And who counts is not kept waiting meanwhile."""
    bench = make_bench(ByWord, Good)
    count_all(bench)
    with bench.engine.connect() as reader:
        reader.execute(text(f"SELECT * FROM {TABLE}"))
        work = threading.Thread(target=remade, args=(bench,))
        work.start()
        work.join(2.5)
        assert work.is_alive()
        bench.accept("a")
        bench.flush()
        assert bench.quarantined("grown") == []
    work.join(30)
    assert not work.is_alive()
    assert cells(bench.engine) == []


def test_a_rebuild_does_not_write_into_another_table(make_bench: Make, two_hours: Archive) -> None:
    """One of the old version that was under way changes nothing."""
    old = make_bench(ByWord, Good)
    count_all(old)
    archive = Datagrepper(two_hours.url, retry=Retry(total=0))

    def meanwhile(sentence: str) -> None:
        if not scalar(old.engine, "SELECT count(*) FROM statscache_remade"):
            remade(old)

    with pytest.raises(StatscacheError, match="the table of grown was made anew meanwhile"):
        rebuild(old.app, archive, ["grown"], HOURS, meanwhile)
    assert cells(old.engine) == []


def test_what_it_writes_beside_its_figures_goes_with_them(make_bench: Make) -> None:
    """Durations come of events: without the figures of before, these must be counted anew, too."""
    bench = make_bench(Lengths, Good)
    bench.accept([["began", "1", "a", "b"]], [["ended", "1", "a", "b"], ["began", "2", "a", "b"]])
    bench.flush()
    assert scalar(bench.engine, "SELECT count(*) FROM test_lengths_event") == 3
    key = "timestamp, kind, who, bucket, host"
    run(
        bench.engine,
        "ALTER TABLE test_lengths DROP CONSTRAINT test_lengths_pkey, ADD host text NOT NULL DEFAULT ''",
        f"ALTER TABLE test_lengths ALTER host DROP DEFAULT, ADD PRIMARY KEY ({key})",
        "UPDATE statscache_coverage SET pruned = '{[2023-01-01, 2023-01-02)}' WHERE plugin = 'lengths'",
    )
    its = remake(bench.engine, [part_of(Lengths), part_of(Good)], "lengths", True)
    assert {each.table.name for each in its.emptied} == {"test_lengths", "test_lengths_event"}
    for table in ("test_lengths", "test_lengths_event"):
        assert scalar(bench.engine, f"SELECT count(*) FROM {table}") == 0
    assert bench.execute(
        "SELECT covered::text, pruned FROM statscache_coverage WHERE plugin = 'lengths'"
    ) == [("{}", None)]
    new = make_bench(Lengths, Good)
    for number, second in (("1", 30), ("2", 30)):
        word = [["began", number, "a", "b"], ["ended", number, "a", "b"]]
        new.intake.accept(
            {"topic": "a.b.c.d", "msg": {"word": word}, "timestamp": second, "msg_id": f"n{number}"}
        )
    new.flush()
    assert new.quarantined("lengths") == []
    assert scalar(new.engine, "SELECT count(*) FROM test_lengths_event") == 4


def test_a_partitioned_table_stays_one(make_bench: Make, two_hours: Archive) -> None:
    """With its partitions, which lose their rows as it does."""
    bench = make_bench(ByWord, Good)
    run(
        bench.engine,
        f"ALTER TABLE {TABLE} RENAME TO plain",
        f"CREATE TABLE {TABLE} (LIKE plain INCLUDING DEFAULTS, PRIMARY KEY (timestamp, word)) "
        "PARTITION BY RANGE (timestamp)",
        f"CREATE TABLE parted PARTITION OF {TABLE} DEFAULT",
        "DROP TABLE plain",
    )
    count_all(bench)
    assert scalar(bench.engine, "SELECT sum(volume) FROM parted") == 720
    for kind in (ByTopicToo, ByTopic):
        remade(bench, kind)
        assert scalar(bench.engine, "SELECT count(*) FROM parted") == 0
        bench = make_bench(kind, Good)
        assert fill(bench, two_hours) == 720
        assert scalar(bench.engine, "SELECT sum(volume) FROM parted") == 720
    assert bench.execute("SELECT * FROM statscache_removed") == []
