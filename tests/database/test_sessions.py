"""Sessions that are borrowed: nothing that we set outlives its transaction, and nothing of others gets in our way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool, StaticPool

from statscache.daemon import open_daemon
from statscache.database.engine import make_engine
from statscache.database.sessions import check_own_session
from statscache.errors import StatscacheError
from statscache.schema.exchange.turning import Turning
from statscache.web.database import make_reader
from tests.support.bench import Bad, Bench, Good
from tests.support.daemons import accept, counted
from tests.support.pgbouncer import PgBouncer
from tests.support.sql import scalar

#: What is set for a session, but for what PgBouncer itself sets as each client has it.
CHANGED = text(
    "SELECT name, setting FROM pg_settings WHERE source = 'session' AND setting <> reset_val "
    "AND name NOT LIKE 'transaction%' AND name <> 'application_name'"
)
TEMPORARY = text(
    "SELECT relname FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace WHERE nspname LIKE 'pg_temp%'"
)


@pytest.mark.parametrize("make", [make_engine, make_reader])
def test_nothing_is_set_for_a_session(make: Callable[[str], Engine], database: str) -> None:
    """Whatever a transaction has set is gone after it, whether it is committed or not."""
    engine = make(database)
    for end in ("commit", "rollback"):
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            getattr(connection, end)()
            driver = connection.connection.dbapi_connection
            assert driver is not None
            with driver.cursor() as cursor:
                cursor.execute(str(CHANGED))
                assert cursor.fetchall() == []
            driver.rollback()
    engine.dispose()


def test_a_temporary_table_of_a_plugin_hides_no_real_one(make_bench: Callable[..., Bench]) -> None:
    """Though it has the name of another plugin's table, all is counted in the real one."""
    Bad.trouble = staticmethod(
        lambda session: session.execute(
            text("CREATE TEMPORARY TABLE IF NOT EXISTS test_good (LIKE public.test_good INCLUDING ALL)")
        )
    )
    bench = make_bench(Bad, Good)
    for word in "abc":
        bench.accept(word)
        bench.flush()
    assert bench.execute("SELECT sum(volume) FROM public.test_good") == [(3,)]
    assert bench.execute("SELECT sum(volume) FROM public.test_bad") == [(3,)]


def test_a_pooler_is_told_from_a_server(pooler: Callable[..., PgBouncer], database: str) -> None:
    """To have a session to oneself takes a server, or a pooler that gives one to each client."""

    def check(url: str) -> None:
        own, others = make_engine(url, poolclass=StaticPool), make_engine(url)
        try:
            check_own_session(own, others)
        finally:
            own.dispose()
            others.dispose()

    check(database)
    check(pooler(mode="session").url)
    for size in (1, 2, 20):
        with pytest.raises(StatscacheError, match="PgBouncer with pool_mode = transaction"):
            check(pooler(mode="transaction", size=size).url)


def test_a_daemon_counts_through_a_pooler_and_leaves_nothing_in_it(
    config: dict[str, Any], engine: Engine, pooler: Callable[..., PgBouncer]
) -> None:
    """Beside readers that set other things for themselves, in the same few sessions of the server."""
    url = pooler(size=2).url
    daemon = open_daemon({**config, "statscache.sqlalchemy.uri": url})
    reader = make_reader(url)
    for number in range(1, 30):
        accept(daemon, number)
        daemon.flusher.flush()
        with reader.connect() as connection:
            assert connection.scalar(text("SELECT sum(volume) FROM data_volume_1m")) == number
    daemon.upkeep.keep_up()
    bare = create_engine(url, poolclass=NullPool)
    for _ in range(4):
        with bare.connect() as one, bare.connect() as other:
            for connection in (one, other):
                assert connection.execute(CHANGED).all() == []
                assert connection.execute(TEMPORARY).all() == []
    assert daemon.finish(5)
    reader.dispose()
    assert counted(engine) == 29


def test_a_table_becomes_a_partition_through_a_pooler(
    config: dict[str, Any], engine: Engine, pooler: Callable[..., PgBouncer]
) -> None:
    """While a daemon counts, and nothing is left in the sessions of the server."""
    its = pooler(size=2)
    daemon = open_daemon({**config, "statscache.sqlalchemy.uri": its.url})
    pooled = make_engine(its.url)
    for number in range(1, 20):
        accept(daemon, number)
        daemon.flusher.flush()
        if number == 10:
            turning = Turning(pooled, daemon.app.parts, {"1m": timedelta(days=400)}, lambda line: None)
            assert turning.run() == []
    assert daemon.finish(5)
    pooled.dispose()
    assert counted(engine) == 19
    assert scalar(engine, "SELECT relkind FROM pg_class WHERE relname = 'data_volume_1m'") == "p"
    assert its.left() == []


def test_verify_beside_a_daemon_behind_a_pooler_changes_nothing(
    config: dict[str, Any],
    engine: Engine,
    pooler: Callable[..., PgBouncer],
    two_hours: Any,
    there: Any,
) -> None:
    """It says in one line what it needs, and every message that the daemon takes meanwhile counts."""
    url = pooler(size=2).url
    daemon = open_daemon({**config, "statscache.sqlalchemy.uri": url})
    there.environment["STATSCACHE_SQLALCHEMY_URI"] = url
    there.configure({"statscache.datagrepper.endpoint": two_hours.url})
    with engine.begin() as connection:
        day = "tstzmultirange(tstzrange('2023-11-14', '2023-11-15'))"
        connection.execute(text(f"UPDATE statscache_coverage SET covered = {day}"))
    for number in range(1, 20):
        accept(daemon, number)
        daemon.flusher.flush()
        if number in (5, 10):
            code, output, errors = there.run(
                "verify",
                "--since",
                "2023-11-14T00:00",
                "--until",
                "2023-11-15T00:00",
            )
            assert code, (output, errors)
            assert "pool_mode = transaction" in errors
            assert len(errors.strip().splitlines()) <= 3
    assert daemon.finish(5)
    assert counted(engine) == 19
