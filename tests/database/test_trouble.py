"""Which errors are the database's trouble, and which a statement's."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from statscache.database.engine import make_engine
from statscache.database.trouble import first_line, is_database_trouble
from statscache.errors import Unusable

#: SQLSTATEs, and whether each is the database's trouble: those of its classes, and of their neighbours'.
STATES = {
    **dict.fromkeys(["08000", "08006", "40001", "40P01", "53100", "53300", "55P03", "55006"], True),
    **dict.fromkeys(["25006", "25P03", "57014", "57P01", "57P03", "58030", "XX000", "XX001"], True),
    **dict.fromkeys(["22012", "22P05", "23505", "23502", "42P01", "42501", "21000", "0A000"], False),
    **dict.fromkeys(["25P02", "25001", "54000", "P0001", "28P01", "3D000", "HV000", "01000"], False),
}


@pytest.mark.parametrize("state", STATES)
def test_the_database_s_trouble_is_told_from_a_statement_s_by_its_class(state: str, server: Engine) -> None:
    """Each error that the server really sends is sorted by its SQLSTATE, mostly by the first two characters."""
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
