"""A real hub on a database that is not as it should be says so, and ends."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine

from tests.support.hub import Hub
from tests.support.sql import run, url_of

CORE = "statscache_plugin"


@pytest.fixture
def core_differs(engine: Engine) -> str:
    """The URL of a database whose table of plugins is another program's."""
    run(engine, f"CREATE TABLE {CORE} (ident text PRIMARY KEY, summary text)")
    return url_of(engine.url)


@pytest.fixture
def not_in_utf8(server: Engine) -> Iterator[str]:
    """The URL of a database in another encoding."""
    name = f"test_{uuid.uuid4().hex}"
    options = "ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    run(server, f"CREATE DATABASE {name} {options}")
    yield url_of(server.url.set(database=name))
    run(server, f"DROP DATABASE {name} WITH (FORCE)")


UNFIT = {
    "core_differs": f"the table {CORE} does not fit this version of statscache "
    "(the column tables is missing; the column interval is missing; ",
    "may_not_create": "let its user create them, as with GRANT CREATE ON SCHEMA public",
    "not_in_utf8": "the database of statscache.sqlalchemy.uri is encoded in SQL_ASCII: create one with",
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
