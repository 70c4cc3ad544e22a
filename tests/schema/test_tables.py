"""Tables are made where they are missing, and those that are there compared with their models."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, Computed, Engine, Identity, MetaData, Table, Text, text
from sqlalchemy import types as kinds

from statscache.database.engine import make_engine
from statscache.schema.tables import create_tables, find_misfits
from tests.support.sql import run, scalar

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
        [told] = find_misfits(connection, [table]).values()
        assert told.endswith('does not fit its model (the column " is missing)')


def table_of(*columns: Column[Any]) -> Table:
    """Return a table with some columns besides its key."""
    return Table("grown", MetaData(), Column("key", Text, primary_key=True), *columns)


def wider() -> Table:
    """Return the same table with two columns more, which may be null."""
    note = Column('"a" note', Text, comment="it's what to note")
    return table_of(Column("reach", kinds.Interval()), note)


def test_a_column_that_may_be_null_is_added(engine: Engine) -> None:
    """Rows stay as they are, the column has its comment, and the next start changes nothing."""
    create_tables(engine, [table_of()])
    run(engine, "INSERT INTO grown VALUES ('a')")
    for _ in range(2):
        assert create_tables(engine, [wider()]) == {}
    with engine.connect() as connection:
        assert connection.execute(text("SELECT * FROM grown")).all() == [("a", None, None)]
        comment = "SELECT col_description('grown'::regclass, 3)"
        assert connection.scalar(text(comment)) == "it's what to note"


def test_a_column_that_must_have_a_value_is_not_added(engine: Engine) -> None:
    """Nobody knows what the rows that are there should have in it, so nothing is changed."""
    create_tables(engine, [table_of()])
    needed = Column("needed", Text, nullable=False)
    found = create_tables(engine, [table_of(needed, Column("other", Text))])
    assert found == {"grown": ["the column needed is missing", "the column other is missing"]}


def node(engine: Engine) -> Any:
    """Return the number of the file that the table is in, which is another one once its rows are written anew."""
    return scalar(engine, "SELECT pg_relation_filenode('grown')")


@pytest.mark.parametrize("nullable", [False, True])
@pytest.mark.parametrize("default", ["it's 1%", text("now()"), text("upper('a')")])
def test_a_column_with_a_default_is_added(engine: Engine, default: Any, nullable: bool) -> None:
    """The rows that are there have the value of the moment, and none is written for that."""
    create_tables(engine, [table_of()])
    run(engine, "INSERT INTO grown VALUES ('a'), ('b')")
    before = node(engine)
    for _ in range(2):
        new = Column("new", Text, nullable=nullable, server_default=default, comment="what is new")
        assert create_tables(engine, [table_of(new)]) == {}
    assert node(engine) == before
    assert scalar(engine, "SELECT count(*) FROM grown WHERE new IS NOT NULL") == 2
    assert scalar(engine, "SELECT count(DISTINCT new) FROM grown") == 1
    assert scalar(engine, "SELECT attnotnull FROM pg_attribute WHERE attname = 'new'") is not nullable


@pytest.mark.parametrize(
    "new",
    [
        Column("new", kinds.Uuid, nullable=False, server_default=text("gen_random_uuid()")),
        Column("new", kinds.Uuid, server_default=text("gen_random_uuid()")),
        Column("new", BigInteger, Identity(), nullable=False),
        Column("new", Text, Computed("key || 'x'")),
    ],
)
def test_a_column_whose_value_each_row_has_of_its_own_is_not_added(engine: Engine, new: Column[Any]) -> None:
    """All rows would be written while nobody can count or read: that is told, and the table stays as it is."""
    create_tables(engine, [table_of()])
    run(engine, "INSERT INTO grown VALUES ('a')")
    before = node(engine)
    why = (
        "new cannot be added in place: its value has to be computed for each row, which writes the table anew"
    )
    assert create_tables(engine, [table_of(new)]) == {"grown": ["the column new is missing", why]}
    assert node(engine) == before
    assert scalar(engine, "SELECT count(*) FROM pg_class WHERE relname = 'statscache_trial'") == 0


def test_a_default_that_is_only_python_s_is_not_the_server_s(engine: Engine) -> None:
    """The server knows of none, so a column that must not be null is not added."""
    create_tables(engine, [table_of()])
    new = Column("new", Text, nullable=False, default="x")
    assert create_tables(engine, [table_of(new)]) == {"grown": ["the column new is missing"]}


def test_a_column_is_not_waited_for_longer_than_a_moment(engine: Engine) -> None:
    """Who reads the table keeps it from being changed: that is told, and everything else goes on."""
    create_tables(engine, [table_of()])
    other = Table("other", MetaData(), Column("key", Text, primary_key=True))
    with engine.begin() as reader:
        reader.execute(text("SELECT * FROM grown"))
        start = time.monotonic()
        [lines] = create_tables(engine, [wider(), other]).values()
        assert time.monotonic() - start < 10
    assert lines[2:] == ["it cannot be added: canceling statement due to lock timeout"]
    assert create_tables(engine, [wider(), other]) == {}


def test_a_column_is_not_added_to_somebody_else_s_table(may_not_create: str, engine: Engine) -> None:
    """Who may not change the table is told so, as its plugin is."""
    create_tables(engine, [table_of()])
    guest = make_engine(may_not_create)
    [lines] = create_tables(guest, [wider()]).values()
    assert lines[-1] == "it cannot be added: must be owner of table grown"
    guest.dispose()


def test_a_user_without_the_right_may_use_tables_that_are_there(may_not_create: str, engine: Engine) -> None:
    """Where an administrator has made the tables, statscache needs no right to create any."""
    table = Table("there", MetaData(), Column("key", Text, primary_key=True))
    create_tables(engine, [table])
    guest = make_engine(may_not_create)
    assert create_tables(guest, [table]) == {}
    guest.dispose()
