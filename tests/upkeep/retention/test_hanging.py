"""What hangs on a table is on the one that takes its place, when it becomes a partition; or nothing is changed."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from statscache.schema.exchange.exchange import StaysWhole
from statscache.schema.exchange.whole import MOST_AHEAD
from tests.support.recounting import count_all, dump
from tests.support.retention import Hours, KeptBench, Minutes, Seconds, expected, rows
from tests.support.sql import run, scalar
from tests.upkeep.retention.conftest import MakeKept
from tests.upkeep.retention.test_partitioning import partitions
from tests.upkeep.retention.test_turning import BODIES, TABLE, turning

ON_IT = """
CREATE VIEW seen WITH (security_barrier) AS SELECT timestamp, word, volume FROM {0};
COMMENT ON VIEW seen IS 'a view'; COMMENT ON COLUMN seen.volume IS 'its column';
CREATE VIEW nested AS SELECT sum(volume) AS total FROM seen;
CREATE VIEW keyed AS SELECT timestamp, volume FROM {0} AS its GROUP BY timestamp, word;
CREATE VIEW apart."of words" AS SELECT ';' AS "A%b", max(word) AS word FROM {0};
CREATE MATERIALIZED VIEW stored AS SELECT * FROM nested;
GRANT SELECT ON seen, nested TO {1}; ALTER VIEW nested OWNER TO {1};
CREATE FUNCTION total() RETURNS numeric LANGUAGE SQL BEGIN ATOMIC SELECT sum(volume) FROM {0} WHERE word <> ';'; END;
COMMENT ON FUNCTION total() IS 'a function'; REVOKE ALL ON FUNCTION total() FROM PUBLIC;
CREATE FUNCTION named() RETURNS bigint LANGUAGE SQL AS 'SELECT count(*) FROM {0}';
CREATE FUNCTION noticed() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
CREATE TRIGGER own AFTER INSERT ON {0} EXECUTE FUNCTION noticed();
CREATE TRIGGER each BEFORE INSERT ON {0} FOR EACH ROW WHEN (NEW.volume > 5) EXECUTE FUNCTION noticed();
CREATE TRIGGER off AFTER DELETE ON {0} FOR EACH ROW EXECUTE FUNCTION noticed();
ALTER TABLE {0} DISABLE TRIGGER off; COMMENT ON TRIGGER own ON {0} IS 'a trigger';
ALTER TABLE {0} ENABLE ROW LEVEL SECURITY;
CREATE POLICY part ON {0} FOR SELECT TO {1}, PUBLIC USING (volume > (SELECT min(volume) FROM {0} AS other));
CREATE POLICY strict ON {0} AS RESTRICTIVE USING (true) WITH CHECK (word <> 'x');
COMMENT ON POLICY part ON {0} IS 'a policy';
CREATE PUBLICATION news FOR TABLE {0} (timestamp, word, volume) WHERE (volume > 0)
    WITH (publish = 'insert', publish_via_partition_root = true);
GRANT SELECT ON {0} TO {1} WITH GRANT OPTION; GRANT SELECT ON {0} TO PUBLIC; GRANT UPDATE (volume) ON {0} TO {1};
REVOKE TRIGGER ON {0} FROM CURRENT_USER;
CREATE STATISTICS together ON timestamp, volume FROM {0}; CREATE STATISTICS alike (ndistinct) ON word, volume FROM {0};
CREATE INDEX by_volume ON {0} (volume) WHERE volume > 1; COMMENT ON INDEX by_volume IS 'an index';
COMMENT ON TABLE {0} IS 'our own words'; COMMENT ON COLUMN {0}.volume IS 'our own, too';
"""
#: What there is of all of these, in words.
CATALOGUE = """
SELECT 'view', c.oid::text, pg_get_viewdef(c.oid), concat_ws(' ', relacl::text, relowner::regrole, reloptions::text,
    (SELECT string_agg(description, ';' ORDER BY objsubid) FROM pg_description WHERE objoid = c.oid))
    FROM pg_class AS c WHERE relname IN ('seen', 'nested', 'keyed', 'of words', 'stored')
UNION ALL SELECT 'function', oid::text, pg_get_functiondef(oid), concat_ws(' ', proacl::text, obj_description(oid))
    FROM pg_proc WHERE proname IN ('total', 'named')
UNION ALL SELECT 'policy', policyname, concat_ws(' ', permissive, roles, cmd), concat_ws(' ', qual, with_check, (SELECT
    obj_description(oid) FROM pg_policy WHERE polname = policyname AND polrelid = '{0}'::regclass))
    FROM pg_policies WHERE tablename = '{0}'
UNION ALL SELECT 'publication', pubname, tablename, concat_ws(' ', attnames::text, rowfilter) FROM pg_publication_tables
UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(oid), concat_ws(' ', tgenabled, obj_description(oid))
    FROM pg_trigger WHERE tgrelid = '{0}'::regclass AND NOT tgisinternal
UNION ALL SELECT 'statistics', stxname, pg_get_statisticsobjdef(oid), NULL FROM pg_statistic_ext
    WHERE stxrelid = '{0}'::regclass
UNION ALL SELECT 'index', relname, replace(pg_get_indexdef(indexrelid), ' ONLY ', ' '), obj_description(indexrelid)
    FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = '{0}'::regclass
UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(oid), NULL FROM pg_constraint
    WHERE conrelid = '{0}'::regclass AND contype <> 'n'
UNION ALL SELECT 'rights', relname, (SELECT string_agg(its, ' ' ORDER BY its) FROM unnest(relacl::text[]) AS its),
    concat_ws(' ', relowner::regrole, relrowsecurity, relforcerowsecurity, obj_description(oid))
    FROM pg_class WHERE oid = '{0}'::regclass
UNION ALL SELECT 'column', attname, concat_ws(' ', format_type(atttypid, atttypmod), attnotnull, attacl::text),
    col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = '{0}'::regclass AND attnum > 0
ORDER BY 1, 2, 3
"""


@pytest.fixture
def words(make_kept: MakeKept) -> KeptBench:
    """A daemon that has counted two hours."""
    bench = make_kept(Seconds, Minutes, Hours)
    count_all(bench)
    return bench


def test_all_that_hangs_on_it_is_on_the_other(words: KeptBench, role: str) -> None:
    """Views and functions are those of before; rights, policies, triggers, publications, statistics are as before."""
    run(words.engine, "CREATE SCHEMA apart", ON_IT.format(TABLE, role))
    before = words.execute(CATALOGUE.format(TABLE))
    assert {row[0] for row in before} == {
        "view", "function", "policy", "publication", "trigger", "statistics", "index", "constraint", "rights", "column",
    }  # fmt: skip
    assert turning(words).run() == []
    assert partitions(words, TABLE)[0] == "oldest"
    assert words.execute(CATALOGUE.format(TABLE)) == before
    words.accept("a")
    words.flush()
    assert scalar(words.engine, "SELECT total FROM nested") == len(BODIES) + 1
    assert scalar(words.engine, "SELECT total()") == len(BODIES) + 1
    assert words.execute("SELECT * FROM statscache_quarantine") == []


def test_a_table_of_another_role_stays_its(words: KeptBench, role: str) -> None:
    """With its partitions."""
    run(words.engine, f"ALTER TABLE {TABLE} OWNER TO {role}", f"GRANT CREATE ON SCHEMA public TO {role}")
    turning(words).run()
    owners = (
        f"SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relname IN ('{TABLE}', '{TABLE}_rest')"
    )
    assert words.execute(owners) == [(role,)]


def test_rights_that_are_given_by_default_are_not_given(words: KeptBench, role: str) -> None:
    """The table has those that it had."""
    run(words.engine, f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {role}")
    turning(words).run()
    assert scalar(words.engine, f"SELECT has_table_privilege('{role}', '{TABLE}', 'SELECT')") is False
    assert scalar(words.engine, f"SELECT has_table_privilege('{TABLE}', 'SELECT')") is True


IN_THE_WAY = {
    "a stored view": ("CREATE MATERIALIZED VIEW stored AS SELECT word FROM {0}", "materialized view stored"),
    "a foreign key": (
        "CREATE TABLE other (timestamp timestamptz, word text, FOREIGN KEY (timestamp, word) REFERENCES {0})",
        "constraint other_timestamp_word_fkey on table other",
    ),
    "a foreign key of its own": (
        "CREATE TABLE known (word text PRIMARY KEY); INSERT INTO known SELECT DISTINCT word FROM {0}; "
        "ALTER TABLE {0} ADD CONSTRAINT known FOREIGN KEY (word) REFERENCES known",
        "constraint known on table {0}",
    ),
    "a function of its rows": (
        "CREATE FUNCTION first(its {0}) RETURNS text LANGUAGE SQL AS 'SELECT its.word'",
        "function first({0})",
    ),
    "a view of its rows": ("CREATE VIEW seen AS SELECT its FROM {0} AS its", "view seen"),
    "another's policy": (
        "CREATE TABLE other (word text); CREATE POLICY known ON other USING (word IN (SELECT word FROM {0}))",
        "policy known on table other",
    ),
    "a rule": ("CREATE RULE quiet AS ON DELETE TO {0} DO ALSO NOTIFY quiet", "rule quiet on table {0}"),
    "a publication": (
        "CREATE PUBLICATION news FOR TABLE {0}",
        "publication news, which publishes partitions",
    ),
    "a publication of all": ("CREATE PUBLICATION news FOR ALL TABLES", "publication news, which publishes"),
    "a unique index": (
        "CREATE UNIQUE INDEX once ON {0} (word, volume) WHERE volume > 10000",
        'unique index once without "timestamp"',
    ),
    "no index": (
        "ALTER TABLE {0} DROP CONSTRAINT {0}_pkey, ADD PRIMARY KEY (word, timestamp)",
        'no index of it that begins with "timestamp"',
    ),
    "an heir": ("CREATE TABLE heir () INHERITS ({0})", "table heir"),
    "a name": ("CREATE TABLE {0}_oldest ()", "{0}_oldest, which has the name of a partition"),
    "a replica identity": ("ALTER TABLE {0} REPLICA IDENTITY FULL", "its replica identity"),
    "rows to come": (
        "INSERT INTO {0} SELECT '2200-01-01'::timestamptz + n * interval '1 min', 'odd', 1 "
        "FROM generate_series(0, " + str(MOST_AHEAD) + ") AS n",
        f"more than {MOST_AHEAD} rows of times to come",
    ),
    "an exclusion": (
        "CREATE FUNCTION own(int) RETURNS int LANGUAGE SQL IMMUTABLE AS 'SELECT $1'; "
        "ALTER TABLE {0} ADD CONSTRAINT apart EXCLUDE (volume WITH =) WHERE (volume > 100000)",
        "constraint apart on table {0}",
    ),
}


@pytest.mark.parametrize("name", IN_THE_WAY)
def test_what_cannot_be_made_anew_keeps_the_table_whole(name: str, words: KeptBench) -> None:
    """It is named in a sentence, nothing is changed, and the table is counted into."""
    statements, named = IN_THE_WAY[name]
    run(words.engine, *statements.format(TABLE).split("; "))
    before = dump(words.engine)
    [turn] = turning(words).run()
    assert turn.in_the_way == [turn.in_the_way[0]]
    assert turn.in_the_way[0].startswith(named.format(TABLE))
    assert turn.why_not.startswith(f"{TABLE} stays whole because of {named.format(TABLE)}")
    assert dump(words.engine) == before
    assert scalar(words.engine, f"SELECT relkind FROM pg_class WHERE oid = '{TABLE}'::regclass") == "r"


def test_what_only_postgresql_knows_of_is_named(words: KeptBench) -> None:
    """As a trigger that a partitioned table cannot have; nothing is changed then, and all is counted."""
    run(
        words.engine,
        "CREATE FUNCTION noticed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        f"CREATE TRIGGER odd AFTER UPDATE ON {TABLE} REFERENCING OLD TABLE AS gone FOR EACH ROW "
        "EXECUTE FUNCTION noticed()",
    )
    with pytest.raises(
        StaysWhole, match=r"because of CREATE TRIGGER odd, which fails: .*ROW triggers with transition"
    ):
        turning(words).run()
    assert partitions(words, TABLE) == []
    assert rows(words, TABLE) == expected(BODIES, 60)


def test_an_index_that_was_broken_off_keeps_it_whole(words: KeptBench) -> None:
    """To make one for the partition would take too long."""
    with words.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"INSERT INTO {TABLE} VALUES ('1999-01-01', 'a', 7), ('1999-01-01', 'b', 7)"))
        with pytest.raises(Exception, match="could not create unique index"):
            connection.execute(text(f"CREATE UNIQUE INDEX CONCURRENTLY off ON {TABLE} (timestamp, volume)"))
    [turn] = turning(words).plan()
    assert turn.in_the_way == ["index off, which is not valid"]
