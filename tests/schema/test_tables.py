"""Tables are made where they are missing, and those that are there compared with their models."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Engine, MetaData, Table, Text
from sqlalchemy import types as kinds

from statscache.database.engine import make_engine
from statscache.schema.tables import create_tables, differences
from tests.support.sql import run

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
        assert list(differences(connection, table)) == ['the column " is missing']


def test_a_user_without_the_right_may_use_tables_that_are_there(may_not_create: str, engine: Engine) -> None:
    """Where an administrator has made the tables, statscache needs no right to create any."""
    table = Table("there", MetaData(), Column("key", Text, primary_key=True))
    create_tables(engine, [table])
    guest = make_engine(may_not_create)
    assert create_tables(guest, [table]) == {}
    guest.dispose()
