"""What a role may read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from statscache.schema.grants import PRIVATE, PUBLIC
from statscache.schema.migrations.start import upgrade_at_start
from statscache.schema.objects import quoted
from statscache.schema.prepare import CORE, CORE_TABLES
from tests.support.roles import Roles
from tests.support.sql import run, scalar


@pytest.fixture
def roles(engine: Engine) -> Iterator[Roles]:
    """Makes roles."""
    roles = Roles(engine)
    yield roles
    roles.drop()


def may_read(engine: Engine, role: str, table: str) -> bool:
    with engine.connect() as connection:
        found = text("SELECT has_table_privilege(:role, :table, 'SELECT')")
        return bool(connection.scalar(found, {"role": role, "table": table}))


def test_each_table_of_our_own_is_public_or_private() -> None:
    """Whoever adds one decides which; what can be read by a role is decided, and not by default."""
    assert {*PUBLIC, *PRIVATE} == CORE_TABLES | {"statscache_freshness"}
    assert not set(PUBLIC) & set(PRIVATE)


def test_who_may_read_figures_may_not_read_who_is_forgotten(engine: Engine, roles: Roles) -> None:
    """Though it may read all that is made later, as `statscache grant` has it, and an upgrade makes that table."""
    reader, somebody = roles.make("Reader"), roles.make("somebody")
    upgrade_at_start(engine, CORE)
    run(
        engine,
        "DROP TABLE statscache_forgotten, statscache_not_kept",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {quoted(reader)}, PUBLIC",
    )
    upgrade_at_start(engine, CORE)
    assert [may_read(engine, role, "statscache_not_kept") for role in (reader, somebody)] == [True, True]
    assert [may_read(engine, role, "statscache_forgotten") for role in (reader, somebody)] == [False, False]
    assert scalar(engine, "SELECT count(*) FROM statscache_forgotten") == 0


def test_whom_somebody_lets_read_it_may_go_on(engine: Engine, roles: Roles) -> None:
    """As one that makes backups: only the creation of the table takes rights away."""
    keeper = roles.make("keeper")
    upgrade_at_start(engine, CORE)
    run(engine, f"GRANT SELECT ON statscache_forgotten TO {quoted(keeper)}")
    upgrade_at_start(engine, CORE)
    assert may_read(engine, keeper, "statscache_forgotten")
