"""The API on tables of an earlier and of a later version, for a role that only reads."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.support.earlier import restore
from tests.support.place import Place
from tests.support.sql import run, url_of
from tests.support.web import VOLUME, Server

pytestmark = pytest.mark.slow


@pytest.fixture
def reader(there: Place, engine: Engine) -> Iterator[str]:
    """The URL of tables of before there were revisions, for a role that reads them."""
    restore(engine)
    name = f"reader_{uuid.uuid4().hex[:12]}"
    run(engine, f"CREATE ROLE {name} LOGIN")
    run(engine, f"GRANT pg_read_all_data TO {name}")
    yield url_of(engine.url.set(username=name))
    run(engine, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


@pytest.mark.parametrize("applied", [None, "0001", "e9001", "c9001"])
def test_it_reads_what_it_can(applied: str | None, reader: str, there: Place, engine: Engine) -> None:
    """It answers from either, and logs in one line that the tables have lost the form which it knows."""
    if applied:
        there.answer("upgrade")
        run(engine, f"UPDATE statscache_schema SET version_num = '{applied}'")
    web = Server(there.directory, reader)
    assert len(web.rows(VOLUME)) > 10
    code, told = web.end()
    assert code == 0
    assert told.count("\n") == (applied == "c9001")
    assert ("the tables are those of a later version of statscache than" in told) == (applied == "c9001")
