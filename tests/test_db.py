"""The database: what a start makes of one that is not as it should be, and how connections are set up."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import URL, BigInteger, Column, Engine, MetaData, Table, Text, select, text
from sqlalchemy import types as kinds
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from statscache.daemon import Daemon, open_daemon
from statscache.database.engine import check_server, make_engine, open_database
from statscache.database.trouble import first_line, is_database_trouble
from statscache.errors import Unusable
from statscache.schema.prepare import CORE_TABLES
from statscache.schema.tables import create_tables, differences
from statscache.settings import Settings
from tests.hub import Hub

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
        "the column extra is not the model's, and must not be empty",
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


KINDS: list[Any] = [
    kinds.ARRAY(kinds.Text()),
    kinds.Boolean(),
    kinds.Date(),
    kinds.DateTime(),
    kinds.DateTime(timezone=True),
    kinds.Double(),
    kinds.Enum("a", "b", name="letter"),
    kinds.Float(),
    kinds.Float(24),
    kinds.Integer(),
    kinds.Interval(),
    kinds.JSON(),
    kinds.LargeBinary(),
    kinds.Numeric(10, 2),
    kinds.SmallInteger(),
    kinds.String(),
    kinds.String(50),
    kinds.Text(collation="C"),
    kinds.Uuid(),
]


def run(engine: Engine, *statements: str) -> None:
    """Run statements and commit."""
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def scalar(engine: Engine, statement: str) -> Any:
    """Return the one value that a statement gives."""
    with engine.connect() as connection:
        return connection.scalar(text(statement))


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
        "the column extra is not the model's, and must not be empty; "
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
    run(engine, *(f"ALTER TABLE {name} DROP COLUMN timestamp CASCADE" for name in names))
    with pytest.raises(Unusable, match=r"^no plugin can run: none of their tables is what its model says"):
        opened()
    assert all(f"its table {name} is not what its model says" in caplog.text for name in names)


def test_a_later_start_finds_its_own_tables_right(
    opened: Open, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing that statscache has made itself is found to differ, and what was counted stays."""
    for number in range(2):
        count_one(opened(), number)
    assert "is disabled" not in caplog.text
    assert scalar(engine, "SELECT sum(volume) FROM data_volume_1m") == 2


def test_a_plugin_s_table_may_have_columns_of_any_type(engine: Engine) -> None:
    """Whatever type SQLAlchemy can create is not found to differ afterwards."""
    columns = [Column(f"c{number}", kind) for number, kind in enumerate(KINDS)]
    table = Table("x", MetaData(), Column("Key", BigInteger, primary_key=True), *columns)
    for _ in range(2):
        assert create_tables(engine, [table]) == {}


def test_a_table_may_have_a_schema_and_any_name(engine: Engine) -> None:
    """Names that must be quoted, in a schema of their own, are found again; a schema that is not there is told."""
    columns = (Column("A key", Text, primary_key=True), Column('"', BigInteger, nullable=False))
    table = Table('Odd "name"', MetaData(), *columns, schema="My own")
    [lines] = create_tables(engine, [table]).values()
    assert lines == ['it cannot be created: schema "My own" does not exist']
    run(engine, 'CREATE SCHEMA "My own"')
    assert create_tables(engine, [table]) == {}
    run(engine, 'ALTER TABLE "My own"."Odd ""name""" DROP COLUMN """"')
    with engine.connect() as connection:
        assert list(differences(connection, table)) == ['the column " is missing']


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
        rows = connection.execute(text(described)).all()
        written = connection.scalars(text(f"SELECT DISTINCT unnest(tables) FROM {CORE}")).all()
    made = {row[0] for row in rows if not row[0].startswith("test_")}  # other tests' own
    assert made == {*CORE_TABLES, *written}
    assert len(written) == 21
    assert [row[:2] for row in rows if not (row[2] or "").strip()] == []


def test_a_plugin_that_is_off_gets_no_table(config: dict[str, Any], engine: Engine) -> None:
    """Only the tables of plugins that run are made."""
    config["statscache.plugins.enabled"] = ["volume_by_user"]
    open_daemon(config).engine.dispose()
    made = "SELECT array_agg(relname::text ORDER BY relname) FROM pg_class WHERE relname ~ '^data_volume_by_.*_1m$'"
    assert scalar(engine, made) == ["data_volume_by_category_1m", "data_volume_by_user_1m"]


@pytest.fixture
def core_differs(engine: Engine) -> str:
    """The URL of a database whose table of plugins is another program's."""
    run(engine, f"CREATE TABLE {CORE} (ident text PRIMARY KEY, summary text)")
    return url_of(engine.url)


@pytest.fixture
def may_not_create(engine: Engine, server: Engine) -> Iterator[str]:
    """The URL of a database for a user who may look but make nothing there."""
    name = f"guest_{uuid.uuid4().hex}"
    run(server, f"CREATE USER {name} PASSWORD 'not to be told'")
    run(engine, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    yield url_of(engine.url.set(username=name, password="not to be told"))
    run(engine, f"DROP OWNED BY {name}")
    run(server, f"DROP USER {name}")


@pytest.fixture
def not_in_utf8(server: Engine) -> Iterator[str]:
    """The URL of a database in another encoding."""
    name = f"test_{uuid.uuid4().hex}"
    options = "ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    run(server, f"CREATE DATABASE {name} {options}")
    yield url_of(server.url.set(database=name))
    run(server, f"DROP DATABASE {name} WITH (FORCE)")


def url_of(url: URL) -> str:
    """Return the whole URL as text."""
    return url.render_as_string(hide_password=False)


UNFIT = {
    "core_differs": f"the table {CORE} is not the one this version of statscache writes "
    "(the column tables is missing; the column interval is missing; ",
    "may_not_create": "give its user the right to, as with GRANT CREATE ON SCHEMA public",
    "not_in_utf8": "the database of statscache.sqlalchemy.uri is encoded in SQL_ASCII: make one with",
}


@pytest.mark.parametrize("name", UNFIT)
def test_an_unfit_database_ends_the_hub_with_one_line(
    name: str, request: pytest.FixtureRequest, start_hub: Callable[..., Hub]
) -> None:
    """The hub exits with 1, and the last and only line on it says what is wrong and what to do."""
    hub = start_hub({"statscache.sqlalchemy.uri": request.getfixturevalue(name)})
    assert hub.wait() == 1
    [line] = [line for line in hub.log.splitlines() if line.startswith("statscache: ")]
    assert line == hub.log.splitlines()[-1]
    assert UNFIT[name] in line
    assert "Traceback" not in hub.log
    assert "not to be told" not in hub.log


def test_a_user_without_the_right_may_use_tables_that_are_there(may_not_create: str, engine: Engine) -> None:
    """Where an administrator has made the tables, statscache needs no right to create any."""
    table = Table("there", MetaData(), Column("key", Text, primary_key=True))
    create_tables(engine, [table])
    guest = make_engine(may_not_create)
    assert create_tables(guest, [table]) == {}
    guest.dispose()


@pytest.mark.parametrize("version", [90603, 100000, 130021, 139999])
def test_an_old_server_is_refused(version: int) -> None:
    """The line says which version it is and which is needed."""
    with pytest.raises(Unusable, match=rf"is PostgreSQL {version // 10000}: statscache needs 14 or newer"):
        check_server(version, "UTF8")


@pytest.mark.parametrize("version", [140000, 140005, 180001])
def test_a_newer_server_in_utf8_is_accepted(version: int) -> None:
    """From 14 on any version will do; another encoding will not."""
    check_server(version, "UTF8")
    with pytest.raises(Unusable, match="is encoded in LATIN1: make one with"):
        check_server(version, "LATIN1")


#: SQLSTATEs, and whether each is the database's trouble: those of its classes, and of their neighbours'.
STATES = {
    **dict.fromkeys(["08000", "08006", "40001", "40P01", "53100", "53300", "55P03", "55006"], True),
    **dict.fromkeys(["57014", "57P01", "57P03", "58030", "XX000", "XX001"], True),
    **dict.fromkeys(["22012", "22P05", "23505", "23502", "42P01", "42501", "21000", "0A000"], False),
    **dict.fromkeys(["25P02", "25006", "54000", "P0001", "28P01", "3D000", "HV000", "01000"], False),
}


@pytest.mark.parametrize("state", STATES)
def test_the_database_s_trouble_is_told_from_a_statement_s_by_its_class(state: str, server: Engine) -> None:
    """Each error that the server really sends is sorted by the first two characters of its SQLSTATE."""
    failing = text(f"DO $$ BEGIN RAISE EXCEPTION 'as the test says' USING ERRCODE = '{state}'; END $$")
    with server.connect() as connection, pytest.raises(DBAPIError) as caught:
        connection.execute(failing)
    assert is_database_trouble(caught.value) is STATES[state]
    assert first_line(caught.value) == "as the test says"


def test_a_connection_that_is_gone_is_the_database_s_trouble(server: Engine) -> None:
    """One that was cut, and one that never came about, count as such though no SQLSTATE may come with them."""
    with server.connect() as connection, pytest.raises(DBAPIError) as cut:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    nobody = make_engine("postgresql+psycopg2://127.0.0.1:9/nowhere")
    with pytest.raises(OperationalError) as refused:
        nobody.connect()
    assert is_database_trouble(cut.value)
    assert is_database_trouble(refused.value)


@pytest.mark.parametrize("error", [ValueError("57014"), ConnectionError(), TimeoutError(), Unusable("x")])
def test_no_other_error_is_the_database_s_trouble(error: Exception) -> None:
    """Only what comes from the driver is."""
    assert not is_database_trouble(error)


SHOWN = {
    "TimeZone": "UTC",
    "lock_timeout": "30s",
    "statement_timeout": "1min",
    "idle_in_transaction_session_timeout": "20s",
    "application_name": "statscache",
}


def test_connections_are_in_utc_and_wait_for_nothing_for_ever(database: str) -> None:
    """Every connection of the engine has its time zone and time-outs set, also after a rollback."""
    engine = make_engine(database)
    with engine.connect() as first, engine.connect() as second:
        first.rollback()
        for connection in (first, second):
            assert {name: connection.scalar(text(f"SHOW {name}")) for name in SHOWN} == SHOWN
        assert (
            second.scalar(select(text("'2024-07-01 12:00+02'::timestamptz::text")))
            == "2024-07-01 10:00:00+00"
        )
    engine.dispose()


def test_a_url_s_own_parameters_take_precedence(database: str) -> None:
    """What stands in the URL's query reaches the driver, and everything else is set as always."""
    given = {"connect_timeout": "3", "application_name": "mine", "keepalives_idle": "7"}
    engine = make_engine(url_of(make_url(database).update_query_dict(given)))
    with engine.connect() as connection:
        parameters = connection.connection.dbapi_connection.get_dsn_parameters()  # type: ignore[union-attr]
        assert connection.scalar(text("SHOW application_name")) == "mine"
        assert connection.scalar(text("SHOW statement_timeout")) == "1min"
    engine.dispose()
    assert given.items() <= parameters.items()
    assert parameters["keepalives_interval"] == "10"
    assert parameters["tcp_user_timeout"] == "30000"


def reach(uri: str, wait: float = 0.3) -> str:
    """Try to open a database that cannot be opened, and return what the error says."""
    with pytest.raises(Unusable) as caught:
        open_database(Settings(uri, 1.0, frozenset(), frozenset(), wait))
    assert caught.value.__suppress_context__
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql+psycopg2://me:s3cret@127.0.0.1:9/nowhere",
        "postgresql+psycopg2://me@127.0.0.1:9/nowhere?password=s3cret",
        "postgresql+psycopg2://me:s3cret@/nowhere?host=/no/such/directory&sslpassword=s3cret",
        "postgresql+psycopg2://me:s3cret@127.0.0.1:9/nowhere?connect_timeout=soon",
        "postgresql+psycopg2://me:s3cret@no.such.host.invalid/nowhere",
    ],
)
def test_no_password_is_ever_told(uri: str) -> None:
    """A database that cannot be reached is named in one line, with its user and place but without its password."""
    told = reach(uri)
    assert "s3cret" not in told
    assert told.startswith("the database of statscache.sqlalchemy.uri, postgresql+psycopg2://me")
    assert "nowhere" in told


def test_what_waiting_cannot_mend_is_told_at_once() -> None:
    """A parameter that the driver does not know ends the start without the wait for the database."""
    assert 'invalid connection option "no_such_option"' in reach(
        "postgresql+psycopg2://me@127.0.0.1:9/nowhere?no_such_option=1", wait=3600
    )


def test_a_database_that_is_not_there_yet_is_waited_for(server: Engine, database: str) -> None:
    """A start goes on as soon as the database can be reached."""
    url = make_url(database)
    aside = f"{url.database}_aside"
    run(server, f"ALTER DATABASE {url.database} RENAME TO {aside}")
    assert f'database "{url.database}" does not exist' in reach(database)
    run(server, f"ALTER DATABASE {aside} RENAME TO {url.database}")
    engine = open_database(Settings(database, 1.0, frozenset(), frozenset(), 5.0))
    assert scalar(engine, "SELECT current_database()") == url.database
    engine.dispose()
