"""What a start makes of tables that are there already, and which plugins run on them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from statscache.daemon import Daemon, open_daemon
from statscache.errors import Unusable
from statscache.hosting.loader import Entry
from statscache.schema.prepare import CORE_TABLES, _tables
from tests.support.bench import MINUTE as MINUTE_LONG
from tests.support.durations import Lengths
from tests.support.sql import run, scalar

CORE = "statscache_plugin"
MINUTE = "CREATE TABLE data_volume_1m "
#: What may be the matter with a table that is there already, and what the log then says of it.
DIFFERENT = {
    "a column is missing": (MINUTE + "(timestamp timestamptz PRIMARY KEY)", "the column volume is missing"),
    "another type": (
        MINUTE + "(timestamp timestamptz PRIMARY KEY, volume integer NOT NULL)",
        "the column volume is integer instead of bigint",
    ),
    "a type that SQLAlchemy does not know": (
        MINUTE + "(timestamp timestamptz PRIMARY KEY, volume point NOT NULL)",
        "the column volume is point instead of bigint",
    ),
    "a time without a zone": (
        MINUTE + "(timestamp timestamp PRIMARY KEY, volume bigint NOT NULL)",
        "the column timestamp is timestamp without time zone instead of timestamp with time zone",
    ),
    "no primary key": (
        MINUTE + "(timestamp timestamptz, volume bigint)",
        "the primary key is () instead of (timestamp)",
    ),
    "a wider primary key": (
        MINUTE + "(timestamp timestamptz, volume bigint, PRIMARY KEY (timestamp, volume))",
        "the primary key is (timestamp, volume) instead of (timestamp)",
    ),
    "a foreign column that must not be empty": (
        MINUTE + "(timestamp timestamptz PRIMARY KEY, volume bigint, extra text NOT NULL)",
        "the column extra is not in the model and must not be null",
    ),
    "a view": (
        "CREATE VIEW data_volume_1m AS SELECT now() AS timestamp, 1::bigint AS volume",
        "the primary key is () instead of (timestamp)",
    ),
    "an index of that name": (
        "CREATE TABLE other (n int); CREATE INDEX data_volume_1m ON other (n)",
        'it cannot be created: relation "data_volume_1m" already exists',
    ),
}
#: What a table may have besides its model's columns.
HARMLESS = {
    "a column that may be empty": "extra text",
    "a column with a default": "extra text NOT NULL DEFAULT 'x'",
    "a number that counts itself": "extra bigint GENERATED ALWAYS AS IDENTITY",
    "a serial": "extra serial NOT NULL",
    "a column that is computed": "extra bigint NOT NULL GENERATED ALWAYS AS (volume * 2) STORED",
}
Open = Callable[[], Daemon]


@pytest.fixture
def opened(config: dict[str, Any], caplog: pytest.LogCaptureFixture) -> Iterator[Open]:
    """Opens daemons on the empty database."""
    caplog.set_level(logging.INFO)
    daemons: list[Daemon] = []

    def start() -> Daemon:
        daemons.append(open_daemon(config))
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.engine.dispose()


def count_one(daemon: Daemon, number: int = 0) -> None:
    """Let the daemon count a message, another one for each number."""
    topic = "org.fedoraproject.prod.bodhi.update.comment"
    assert daemon.intake.accept({"topic": topic, "msg": {"n": number}, "timestamp": 1_700_000_000})
    daemon.flusher.flush()


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_table_that_differs_disables_its_plugin_alone(
    name: str, opened: Open, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says which plugin is disabled and how its table differs, and all the others run and count."""
    statement, difference = DIFFERENT[name]
    run(engine, statement)
    count_one(opened())
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("volume-1m is disabled: its table data_volume_1m ")
    assert f"({difference})" in record.getMessage()
    assert scalar(engine, "SELECT volume FROM data_volume_5s") == 1
    assert scalar(engine, "SELECT volume FROM data_volume_by_category_1d") == 1
    assert scalar(engine, f"SELECT count(*) FROM {CORE} WHERE ident = 'volume-1m'") == 0


def test_every_difference_is_told(opened: Open, engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """A table that is wrong in several ways is described in full, so that it need be mended once."""
    run(engine, "CREATE TABLE data_volume_by_category_1d (timestamp date, category text, extra int NOT NULL)")
    count_one(opened())
    told = (
        "(the column timestamp is date instead of timestamp with time zone; the column volume is missing; "
        "the column extra is not in the model and must not be null; "
        "the primary key is () instead of (timestamp, category))"
    )
    assert told in caplog.text


@pytest.mark.parametrize("name", HARMLESS)
def test_a_table_may_have_more_than_its_model(
    name: str, opened: Open, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """A further column that a new row need not fill disables nothing."""
    run(engine, MINUTE + f"(timestamp timestamptz PRIMARY KEY, volume bigint NOT NULL, {HARMLESS[name]})")
    count_one(opened())
    assert "is disabled" not in caplog.text
    assert scalar(engine, "SELECT volume FROM data_volume_1m") == 1


def test_all_tables_differing_end_the_start(
    opened: Open, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """A daemon that could count nothing does not start, and the log names every table."""
    opened()
    names = scalar(engine, f"SELECT array_agg(DISTINCT t) FROM {CORE}, unnest(tables) AS t")
    run(engine, *(f"ALTER TABLE {name} DROP COLUMN IF EXISTS timestamp CASCADE" for name in names))
    run(engine, "ALTER TABLE data_newcomer DROP COLUMN first CASCADE")
    with pytest.raises(Unusable, match=r"^no plugin can run: none of their tables fits its model"):
        opened()
    assert all(f"its table {name} does not fit its model" in caplog.text for name in names)


def test_a_later_start_finds_its_own_tables_right(
    opened: Open, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing that statscache has made itself is found to differ, and what was counted stays."""
    for number in range(2):
        count_one(opened(), number)
    assert "is disabled" not in caplog.text
    assert scalar(engine, "SELECT sum(volume) FROM data_volume_1m") == 2


def test_every_table_and_column_explains_itself(opened: Open, engine: Engine) -> None:
    """All tables are made where they are missing, each with a comment, and so has each of their columns."""
    opened()
    described = """
        SELECT c.relname, coalesce(a.attname, ''), d.description
        FROM pg_class AS c
        CROSS JOIN LATERAL (
            SELECT 0 AS attnum, NULL AS attname
            UNION ALL SELECT attnum, attname FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0
        ) AS a
        LEFT JOIN pg_description AS d
            ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
        WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
    """
    with engine.connect() as connection:
        rows = [row for row in connection.execute(text(described)) if not row[0].startswith("test_")]
        written = connection.scalars(text(f"SELECT DISTINCT unnest(tables) FROM {CORE}")).all()
    assert {row[0] for row in rows} == {*CORE_TABLES, *written}  # and other tests' own
    assert len(written) == 45
    assert [row[:2] for row in rows if not (row[2] or "").strip()] == []


def test_all_tables_of_a_plugin_are_made_or_none() -> None:
    """Those beside that of its figures, too."""
    own = {"test_lengths", "test_lengths_event"}
    for on in (True, False):
        entry = Entry("lengths", "a test", on=on, plugins=[Lengths(MINUTE_LONG, {})])
        made = {table.name for table in _tables([entry], [])}
        assert own & made == (own if on else set())


def test_a_plugin_that_is_off_gets_no_table(config: dict[str, Any], engine: Engine) -> None:
    """Only the tables of plugins that run are made."""
    config["statscache.plugins.enabled"] = ["volume_by_user"]
    open_daemon(config).engine.dispose()
    made = "SELECT array_agg(relname::text ORDER BY relname) FROM pg_class WHERE relname ~ '^data_volume_by_.*_1m$'"
    assert scalar(engine, made) == ["data_volume_by_category_1m", "data_volume_by_user_1m"]
