"""Tables are found by the names that models give them."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from statscache.database.relations import is_there
from tests.support.sql import run


@pytest.mark.parametrize("name", ["plain", "Large", "select", 'a "quoted" one', "other.Large"])
def test_a_table_is_there_by_its_name_as_a_model_has_it(engine: Engine, name: str) -> None:
    """Whatever its letters are, and with its schema where it has one."""
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))
    run(engine, "CREATE SCHEMA other")
    with engine.connect() as connection:
        assert not is_there(connection, name)
    run(engine, f"CREATE TABLE {quoted} ()")
    with engine.connect() as connection:
        assert is_there(connection, name)
        assert not is_there(connection, name.upper())
