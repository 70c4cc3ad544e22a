"""What is said of a database that does not let us in: at once where waiting is in vain."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Engine
from sqlalchemy.exc import OperationalError

from statscache.database.engine import open_database
from statscache.database.refusals import refusal
from statscache.errors import Unusable
from statscache.settings import Settings
from tests.support.sql import run, scalar, url_of


def reach(url: URL, wait: float = 3600.0) -> str:
    """Return what is said of a database that does not let us in, which must come soon."""
    before = time.monotonic()
    with pytest.raises(Unusable) as refused:
        open_database(Settings(url_of(url), database_wait=wait))
    assert time.monotonic() - before < 5 + min(wait, 5)
    return str(refused.value)


@pytest.fixture
def role(server: Engine) -> Iterator[str]:
    """A role with a password."""
    name = f"role_{uuid.uuid4().hex}"
    run(server, f"CREATE ROLE {name} LOGIN PASSWORD 'right'")
    yield name
    run(server, f"DROP ROLE {name}")
    let_in(server, name)


def let_in(server: Engine, role: str, method: str = "") -> None:
    """Let the server authenticate a role that way; without one, as it does all others."""
    path = scalar(server, "SELECT current_setting('hba_file')")
    text = scalar(server, "SELECT pg_read_file(current_setting('hba_file'))")
    lines = [line for line in text.replace("\t", " ").splitlines() if role not in line]
    if method:
        lines.insert(0, f"local all {role} {method}")
    values = ", ".join("('" + line.replace("'", "''").replace("\\", "") + "')" for line in lines)
    run(server, f"COPY (VALUES {values}) TO '{path}'")
    run(server, "SELECT pg_reload_conf()")


@pytest.mark.parametrize(
    ("method", "password", "said"),
    [
        ("scram-sha-256", "wrong", "password authentication failed"),
        ("scram-sha-256", None, "no password supplied"),
        ("reject", "right", "pg_hba.conf"),
    ],
)
def test_a_user_who_is_not_let_in_is_told_at_once(
    method: str, password: str | None, said: str, server: Engine, engine: Engine, role: str
) -> None:
    """A wrong password, none at all, and a rule of the server's end the start without any wait."""
    let_in(server, role, method)
    told = reach(engine.url.set(username=role, password=password))
    assert said in told
    assert "refuses us" in told
    assert "wrong" not in told
    assert "\n" not in told


def test_what_is_not_there_or_not_allowed_is_told_at_once(server: Engine, engine: Engine, role: str) -> None:
    """So are a database and a role that do not exist, a role that may not log in, and one that may not connect."""
    url = engine.url
    assert 'database "no_such" does not exist): create the database, or' in reach(url.set(database="no_such"))
    assert 'role "no_such" does not exist): name a role' in reach(url.set(username="no_such"))
    run(server, f"REVOKE CONNECT ON DATABASE {url.database} FROM PUBLIC")
    assert "GRANT CONNECT ON DATABASE" in reach(url.set(username=role))
    run(server, f"ALTER ROLE {role} NOLOGIN")
    assert "is not permitted to log in" in reach(url.set(username=role))
    assert "correct the options of the URL" in reach(url.update_query_dict({"options": "-cno_such=1"}))


def test_what_may_pass_is_waited_for_and_logged(
    server: Engine, engine: Engine, role: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A server without a free connection, and one that is not there, are tried until the wait is over; a log line says
    soon what is waited for."""
    run(server, f"ALTER ROLE {role} CONNECTION LIMIT 0")
    with caplog.at_level(logging.WARNING):
        assert "too many connections for role" in reach(engine.url.set(username=role), wait=2.0)
        assert "cannot be reached" in reach(engine.url.set(query={"host": "/no/such/place"}), wait=0.1)
    [line] = [record.getMessage() for record in caplog.records]
    assert line.endswith("waiting for it, 2 s at most")
    assert "too many connections for role" in line
    assert "right" not in line


def error(text: str) -> OperationalError:
    """Return an error as the driver raises it where no connection comes about."""
    return OperationalError("", None, Exception(text))


AUTH = 'connection to server at "a" (10.0.0.1), port 5432 failed: FATAL:  password authentication failed for user "x"\n'
DOWN = 'connection to server at "b" (10.0.0.2), port 5432 failed: Connection refused\n\tIs the server running on it?\n'
STARTS = 'connection to server on socket "/x" failed: FATAL:  the database system is starting up\n'


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (AUTH, "password"),
        (AUTH + AUTH.replace('"a"', '"b"'), "password"),
        ('connection to server at "a" failed: FATAL:  no such database: x\n', "create the database"),
        ("local user with ID 54321 does not exist", "name a role in the URL"),
        ('connection to server at "a" failed: server does not support SSL, but SSL was required\n', "SSL"),
        ('connection to server at "a" failed: SSL error: certificate verify failed\n', "SSL"),
        ('connection to server at "a" failed: root certificate file "/x" does not exist\n', "SSL"),
        ('connection to server at "a" failed: FATAL:  no pg_hba.conf entry for host "::1"\n', "pg_hba.conf"),
    ],
)
def test_lasting_refusals_come_with_what_to_do(text: str, advice: str) -> None:
    """Those of PostgreSQL, of PgBouncer and of the driver, in one line."""
    found = refusal(error(text))
    assert found is not None
    assert advice in found.advice
    assert "\n" not in found.words


@pytest.mark.parametrize(
    "text",
    [
        DOWN,
        STARTS,
        AUTH + DOWN,
        DOWN + AUTH,
        'connection to server at "a" failed: FATAL:  sorry, too many clients already\n',
        'connection to server at "a" failed: session is read-only\n',
        'connection to server at "a" failed: server closed the connection unexpectedly\n',
        'could not translate host name "db" to address: Temporary failure in name resolution\n',
        "",
    ],
)
def test_passing_troubles_are_no_refusals(text: str) -> None:
    """Nor is one of several servers that is down, behind which the others refuse us."""
    assert refusal(error(text)) is None
