"""`statscache grant` lets a role read what is counted, now and later, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import ProgrammingError

from statscache.daemon import open_daemon
from statscache.database.trouble import DENIED, state_of
from statscache.hosting.loader import Part
from statscache.plugins import CountingPlugin, counting_model
from statscache.schema.functions.create import create_functions
from statscache.schema.grants import PRIVATE, PUBLIC
from statscache.schema.objects import quoted
from statscache.schema.tables import create_tables
from tests.support.bench import MINUTE
from tests.support.place import Place
from tests.support.roles import Roles


@pytest.fixture
def owner(roles: Roles, engine: Engine) -> str:
    """The daemon's role, which owns the database and is nothing more."""
    name = roles.make("owner")
    roles.execute(f'ALTER DATABASE "{engine.url.database}" OWNER TO "{name}"')
    return name


@pytest.fixture
def place(there: Place, config: dict[str, Any], roles: Roles, owner: str) -> Place:
    """A working directory of the daemon's role, on whose database a daemon has run."""
    config["statscache.sqlalchemy.uri"] = roles.url(owner)
    there.environment["STATSCACHE_SQLALCHEMY_URI"] = roles.url(owner)
    daemon = open_daemon(config)
    daemon.intake.accept({"topic": "a.b.c.d", "msg": {}, "timestamp": 30, "msg_id": "1"})
    daemon.flusher.flush()
    daemon.engine.dispose()
    return there


def member(roles: Roles, group: str) -> Engine:
    """Return an engine for a user who is a member of a role."""
    return create_engine(roles.url(roles.make("user", f"LOGIN IN ROLE {quoted(group)}")))


def denied(engine: Engine, statement: str) -> bool:
    """Return whether a statement is refused for want of a right."""
    try:
        with engine.begin() as connection:
            connection.execute(text(statement))
    except ProgrammingError as error:
        return state_of(error) == DENIED
    return False


def install_later(url: str) -> None:
    """Make the table and functions of a plugin that nobody knew of before, as the daemon's next start does."""

    class Later(CountingPlugin):
        name = summary = description = "later"
        model = counting_model("test_later", "messages")

    engine = create_engine(url)
    create_tables(engine, [Later.model.__table__])
    create_functions(engine, [Part("later", plugin := Later(MINUTE, {}), lambda: plugin)])
    engine.dispose()


@pytest.mark.slow
def test_a_role_reads_figures_and_nothing_else(place: Place, roles: Roles, owner: str) -> None:
    """Tables, views and functions can be read, those of a plugin made later too; nothing can be written or made."""
    roles.execute(f'ALTER ROLE "{owner}" CREATEROLE')
    analysts = roles.name("analysts")
    answer = place.answer("grant", analysts)
    assert answer.startswith(f"{analysts} can read ")
    assert place.answer("grant", analysts) == answer  # to run it again changes nothing

    reader = member(roles, analysts)
    with reader.connect() as connection:
        ask = "SELECT volume FROM data_volume_by_category_1m_series(to_timestamp(0), to_timestamp(60))"
        assert connection.scalars(text(ask)).all() == [1]
        for name in PUBLIC:
            connection.execute(text(f"SELECT * FROM {name}"))
    for name in PRIVATE:
        assert denied(reader, f"SELECT * FROM {name}"), name

    install_later(roles.url(owner))
    with reader.connect() as connection:
        ask = "SELECT * FROM test_later_series(to_timestamp(0), to_timestamp(60))"
        assert len(connection.execute(text(ask)).all()) == 1
        assert connection.execute(text("SELECT * FROM test_later")).all() == []
    for statement in (
        "INSERT INTO {} VALUES (now(), 1)",
        "UPDATE {} SET volume = 0",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "SELECT * FROM {} FOR UPDATE",
    ):
        for table in ("data_volume_1m", "test_later"):
            assert denied(reader, statement.format(table)), statement
    assert denied(reader, "CREATE TABLE mine (x int)")
    assert denied(reader, "UPDATE statscache_coverage SET late = 0")
    reader.dispose()


def test_a_role_that_is_there_is_taken(place: Place, roles: Roles) -> None:
    """Then no right to make roles is needed; a name may hold anything."""
    name = roles.make("o'd\"d %s; é")
    place.answer("grant", name)
    reader = member(roles, name)
    assert not denied(reader, "SELECT * FROM data_volume_1m")
    reader.dispose()


@pytest.mark.slow
def test_what_an_administrator_runs(place: Place, roles: Roles, engine: Engine, owner: str) -> None:
    """--sql prints the statements and changes nothing; run by an administrator they do the same."""
    analysts = roles.name("analysts")
    printed = place.answer("grant", analysts, "--sql")
    assert printed.startswith(f'CREATE ROLE "{analysts}" NOLOGIN;\n')
    assert f'ALTER DEFAULT PRIVILEGES FOR ROLE "{owner}" IN SCHEMA "public"' in printed
    with engine.connect() as connection:
        assert connection.scalar(text(f"SELECT to_regrole('{analysts}')")) is None
    roles.execute(printed)
    reader = member(roles, analysts)
    assert not denied(reader, "SELECT * FROM data_volume_1m")
    assert denied(reader, "SELECT * FROM statscache_quarantine_body")
    reader.dispose()
    assert not place.answer("grant", analysts, "--sql").startswith("CREATE")
    assert place.answer("grant", analysts)


@pytest.mark.slow
def test_rights_that_lack_are_named(place: Place, roles: Roles, owner: str, engine: Engine) -> None:
    """One sentence says which right, and what to do; nothing is half done."""
    code, output, errors = place.run("grant", name := roles.name("analysts"))
    assert (code, output) == (2, "")
    assert errors == (
        "statscache: CREATE ROLE was refused (permission denied to create role): let an administrator of the "
        f"database run what `statscache grant {name} --sql` prints\n"
    )
    roles.execute(f'CREATE ROLE "{name}"')
    other = roles.make("other")
    roles.execute(f'ALTER TABLE data_volume_1s OWNER TO "{other}"')
    code, output, errors = place.run("grant", name)
    assert (code, output) == (2, "")
    assert "GRANT SELECT was refused (permission denied for table data_volume_1s)" in errors
    with engine.connect() as connection:
        may = text(f"SELECT has_table_privilege('{name}', 'data_volume_1m', 'SELECT')")
        assert connection.scalar(may) is False


def test_names_that_no_role_can_have(place: Place, roles: Roles, owner: str) -> None:
    """The daemon's own role and reserved names are refused in one sentence."""
    code, _, errors = place.run("grant", owner)
    assert (code, errors) == (
        2,
        f"statscache: {owner} is the role with which statscache writes: name another\n",
    )
    roles.execute(f'ALTER ROLE "{owner}" CREATEROLE')
    code, _, errors = place.run("grant", "pg_mine")
    assert code == 2
    assert 'CREATE ROLE was refused (role name "pg_mine" is reserved): choose another name' in errors


def test_before_the_first_start_there_is_nothing_to_read(there: Place) -> None:
    """What a daemon makes after the role could be read, the quarantine too, so that is refused."""
    code, _, errors = there.run("grant", "analysts")
    assert code == 2
    assert "start the daemon once, then run this again" in errors


def test_who_reads_whole_messages_all_the_same_is_named(place: Place, roles: Roles) -> None:
    """What everybody may read is not to be taken from one, and is said."""
    name = roles.make("other")
    roles.execute("GRANT SELECT ON statscache_quarantine_body TO PUBLIC")
    code, _, errors = place.run("grant", name)
    assert code == 0
    assert errors.count("may also read") == 1
    assert f"{name} may also read public.statscache_quarantine_body" in errors


def test_what_a_role_may_beyond_reading_is_said(place: Place, roles: Roles) -> None:
    """Rights that others gave it stay and are named."""
    name = roles.make("other")
    roles.execute(f'GRANT INSERT ON data_volume_1m TO "{name}"; GRANT CREATE ON SCHEMA public TO "{name}"')
    code, output, errors = place.run("grant", name)
    assert code == 0
    assert output
    assert f"{name} may also write public.data_volume_1m" in errors
    assert f"{name} may also create tables in the schema public" in errors
