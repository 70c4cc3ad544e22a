"""What a start makes of the ids that an earlier version has stored as they came."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

from statscache.daemon import Daemon, open_daemon
from statscache.errors import Unusable
from statscache.messages.ids import canonical_id
from statscache.store.canonical_ids import CANONICAL, IS_CANONICAL
from statscache.store.continuity import DatabaseIncomplete
from statscache.store.ledger import CANONICAL_IDS
from tests.support.daemons import counted, die
from tests.support.past import Past
from tests.support.sql import run, scalar

A, B, C = (str(uuid.UUID(int=number << 64)) for number in (1, 2, 3))
RAWHIDE = "org.fedoraproject.prod.compose.rawhide.start"
LEDGER = "SELECT msg_id, plugins, counted_at::text, timestamp::text FROM statscache_ledger AS l "
Start = Callable[[], Daemon]


@pytest.fixture
def start(config: dict[str, Any], caplog: pytest.LogCaptureFixture) -> Iterator[Start]:
    """Starts daemons on the empty database."""
    caplog.set_level(logging.INFO)
    daemons: list[Daemon] = []

    def start() -> Daemon:
        daemons.append(open_daemon(config))
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.engine.dispose()


@pytest.fixture
def engine(database: str) -> Engine:
    """An engine that keeps no connections, which are broken now and then."""
    return create_engine(database, poolclass=NullPool)


@pytest.fixture
def earlier(start: Start, engine: Engine) -> Daemon:
    """A daemon of the version before, to which each id is as it came, on its own database."""
    with as_before():
        daemon = start()
    run(engine, f"ALTER TABLE statscache_ledger DROP CONSTRAINT {CANONICAL_IDS}")
    return daemon


@contextmanager
def as_before() -> Iterator[None]:
    """Let this process work as the version before, for which each id was as it came."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("statscache.messages.message.canonical_id", lambda given: given)
        patch.setattr("statscache.store.presence.Presence._judge", lambda self, found: None)
        yield


def body(msg_id: str, second: float = 0.0, topic: str = RAWHIDE) -> dict[str, Any]:
    return {"topic": topic, "msg": {"arch": "x"}, "msg_id": msg_id, "timestamp": 1_700_000_000 + second}


def count_as_before(daemon: Daemon, *bodies: dict[str, Any]) -> None:
    with as_before():
        count(daemon, *bodies)


def count(daemon: Daemon, *bodies: dict[str, Any]) -> None:
    daemon.intake.accept_all(bodies)
    daemon.flusher.flush()


def rows(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def ids(engine: Engine, table: str = "statscache_ledger") -> list[str]:
    return [row[0] for row in rows(engine, f'SELECT msg_id FROM {table} ORDER BY msg_id COLLATE "C"')]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in caplog.messages if "canonical ids now" in line]


def test_a_start_makes_all_ids_canonical_once(
    earlier: Daemon, start: Start, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Messages that were counted before do not count again, whichever copy comes, and later starts do nothing."""
    count_as_before(earlier, body(f"2026-{A}"), body(f"2026-{B}", 1), body("2026-other", 2), body(C, 3))
    assert earlier.finish(5)
    assert ids(engine, "data_releng_dashboard") == [C]
    run(engine, f"UPDATE data_releng_dashboard SET msg_id = '2026-{C}'")
    daemon = start()
    assert ids(engine) == [A, B, C, "2026-other"]
    assert ids(engine, "data_releng_dashboard") == [C]
    [line] = told(caplog)
    assert line == (
        "2 messages of the ledger, 0 of the quarantine and 1 latest state have canonical ids now, without the year "
        "that fedmsg puts before a UUID; of 0 messages there were several copies"
    )
    count(daemon, body(f"2026-{A}"), body(B, 1), body(f"2025-{C}", 3), body("2026-other", 2))
    assert counted(engine) == 4
    assert daemon.finish(5)
    start()
    assert told(caplog) == [line]


def test_what_hangs_on_the_ledger_stays(earlier: Daemon, start: Start, engine: Engine) -> None:
    """Its comments, indexes and rights are as they were, and it is the same table to all who know it by its OID."""
    state = """
        SELECT c.oid, relacl::text, obj_description(c.oid, 'pg_class'), col_description(c.oid, 1), attcollation,
            ARRAY(SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = c.oid ORDER BY 1)
        FROM pg_class AS c JOIN pg_attribute ON attrelid = c.oid AND attname = 'msg_id'
        WHERE relname = 'statscache_ledger'
    """
    count_as_before(earlier, body(f"2026-{A}"))
    run(engine, "GRANT SELECT ON statscache_ledger TO PUBLIC")
    before = rows(engine, state)
    start()
    assert ids(engine) == [A]
    assert rows(engine, state) == before


def test_copies_in_the_ledger_become_one_row(earlier: Daemon, start: Start, engine: Engine) -> None:
    """It has all plugins that have counted any copy, and is as old as the oldest; others stay as they are."""
    run(
        engine,
        "INSERT INTO statscache_plugin_set (id, plugins) OVERRIDING SYSTEM VALUE "
        "VALUES (-1, '{a,b}'), (-2, '{b,c}'), (-3, '{d}')",
        f"""
        INSERT INTO statscache_ledger VALUES
        ('2025-{A}', -1, '2026-01-01 00:00:09Z', '2025-12-31 23:59:59Z'),
        ('2026-{A}', -2, '2026-01-01 00:00:08Z', '2026-01-01 00:00:03Z'),
        ('{A}', -1, '2026-01-01 00:00:07Z', '2026-01-01 00:00:01Z'),
        ('2026-{B}', -2, '2026-01-02 00:00:02Z', '2026-01-02 00:00:01Z'),
        ('{B}', -3, '2026-01-02 00:00:03Z', '2026-01-02 00:00:00Z'),
        ('2026-{C}', -3, '2026-01-03 00:00:00Z', '2026-01-03 00:00:00Z'),
        ('abcd-{C}', -3, '2026-01-03 00:00:01Z', '2026-01-03 00:00:01Z')
        """,
    )
    start()
    zone = "SET TimeZone = 'UTC'; "
    found = rows(engine, zone + LEDGER + "JOIN statscache_plugin_set AS s ON s.id = plugin_set ORDER BY 1")
    assert found == [
        (A, ["a", "b", "c"], "2026-01-01 00:00:07+00", "2025-12-31 23:59:59+00"),
        (B, ["b", "c", "d"], "2026-01-02 00:00:02+00", "2026-01-02 00:00:00+00"),
        (C, ["d"], "2026-01-03 00:00:00+00", "2026-01-03 00:00:00+00"),
        (f"abcd-{C}", ["d"], "2026-01-03 00:00:01+00", "2026-01-03 00:00:01+00"),
    ]


def test_a_set_of_plugins_that_is_gone_is_found_again_first(
    earlier: Daemon, start: Start, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Else the plugins that have counted that copy would count the message again."""
    count_as_before(earlier, body(f"2026-{A}"))
    run(
        engine,
        "DELETE FROM statscache_plugin_set",
        "INSERT INTO statscache_plugin_set (id, plugins) OVERRIDING SYSTEM VALUE VALUES (-1, '{a}')",
        f"INSERT INTO statscache_ledger SELECT '{A}', -1, now(), timestamp FROM statscache_ledger",
    )
    assert earlier.finish(5)
    daemon = start()
    assert "statscache_plugin_set has lost rows" in caplog.text
    count(daemon, body(A))
    assert counted(engine) == 1
    assert ids(engine) == [A]


@pytest.fixture
def waiting(earlier: Daemon, engine: Engine) -> Callable[..., None]:
    """Puts a copy into the quarantine, as if each plugin had met it, and into the ledger for all of them."""

    def put(msg_id: str, second: int, *plugins: str, counted_by: tuple[str, ...] = ()) -> None:
        count_as_before(earlier, body(msg_id, second, topic=f"a.b.c.{second}"))
        everyone = sorted({*plugins, *counted_by})
        with engine.begin() as connection:
            for statement in (
                "INSERT INTO statscache_plugin_set (plugins) VALUES (:everyone) ON CONFLICT DO NOTHING",
                "UPDATE statscache_ledger SET plugin_set = "
                "(SELECT id FROM statscache_plugin_set WHERE plugins = :everyone) WHERE msg_id = :msg_id",
                "INSERT INTO statscache_quarantine_body VALUES (:msg_id, :body)",
                "INSERT INTO statscache_quarantine SELECT unnest(CAST(:plugins AS text[])), :msg_id, :topic, "
                "to_timestamp(1700000000 + :second), 'x', '', now(), now(), 1, now()",
            ):
                connection.execute(
                    text(statement),
                    {
                        "everyone": everyone,
                        "msg_id": msg_id,
                        "plugins": list(plugins),
                        "topic": f"a.b.c.{second}",
                        "second": second,
                        "body": json.dumps(body(msg_id, second, topic=f"a.b.c.{second}")),
                    },
                )

    return put


def quarantined(engine: Engine) -> list[tuple[Any, ...]]:
    """Return what is in the quarantine: plugin, id, the second of its row, and the id and the topic of its body."""
    query = (
        "SELECT plugin, msg_id, extract(epoch FROM timestamp)::int - 1700000000, body::json ->> 'msg_id', topic "
        "FROM statscache_quarantine JOIN statscache_quarantine_body USING (msg_id) ORDER BY 1, 2"
    )
    return rows(engine, query)


def test_copies_in_the_quarantine_become_the_earliest(
    waiting: Callable[..., None], start: Start, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """For all plugins it is the same, so that they count it in the same window."""
    waiting(A, 7, "p", "q")
    waiting(f"2026-{A}", 5, "p", "r")
    waiting(B, 1, "p")
    waiting(f"2026-{B}", 3, "p")
    waiting(f"2026-{C}", 4, "p")
    waiting("other", 4, "p")
    start()
    assert quarantined(engine) == [
        ("p", A, 5, f"2026-{A}", "a.b.c.5"),
        ("p", B, 1, B, "a.b.c.1"),
        ("p", C, 4, f"2026-{C}", "a.b.c.4"),
        ("p", "other", 4, "other", "a.b.c.4"),
        ("q", A, 5, f"2026-{A}", "a.b.c.5"),
        ("r", A, 5, f"2026-{A}", "a.b.c.5"),
    ]
    assert scalar(engine, "SELECT count(*) FROM statscache_quarantine_body") == 4
    assert "4 of the quarantine" in told(caplog)[0]


def test_a_copy_does_not_wait_for_a_plugin_that_has_counted_another(
    waiting: Callable[..., None], start: Start, engine: Engine
) -> None:
    """It would count twice; for a plugin that waits for each copy, or has not met the other, it stays."""
    waiting(A, 1, "r", "s", counted_by=("p",))
    waiting(f"2026-{A}", 2, "p", "q", "s", counted_by=("t",))
    waiting(f"2026-{B}", 3, "p", counted_by=("q",))
    waiting(B, 4, "q", counted_by=("p",))
    start()
    assert [row[:3] for row in quarantined(engine)] == [("q", A, 1), ("r", A, 1), ("s", A, 1)]
    assert ids(engine, "statscache_quarantine_body") == [A]
    assert ids(engine) == [A, B]


def test_a_message_that_waited_is_counted_after_the_rewrite(
    waiting: Callable[..., None], earlier: Daemon, start: Start, engine: Engine
) -> None:
    """A retry finds its body, and leaves nothing in the quarantine."""
    waiting(f"2026-{A}", 5, "volume-1m")
    waiting(A, 6, "volume-1m")
    run(engine, "DELETE FROM data_volume_1m")
    assert earlier.finish(5)
    daemon = start()
    assert daemon.app.retry("volume-1m", [A]) == 1
    assert counted(engine) == 1
    assert quarantined(engine) == []
    assert ids(engine, "statscache_quarantine_body") == []


def test_an_earlier_version_that_runs_on_counts_nothing_of_what_it_would_count_twice(
    earlier: Daemon, start: Start, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Its flush fails with a line that says what to do; what it has in its spool counts after its own upgrade."""
    count_as_before(earlier, body(f"2026-{A}"))
    count(start(), body(f"2026-{B}", 1), body(A))
    with as_before():
        for number, msg_id in enumerate((A, B, C)):
            assert earlier.intake.accept(body(f"2026-{msg_id}", number))
        with pytest.raises(IntegrityError, match="statscache_ledger_ids_are_canonical_upgrade_this_daemon"):
            earlier.flusher.flush()
        assert not earlier.flusher.tick()
    assert counted(engine) == 2
    assert f'violates check constraint "{CANONICAL_IDS}"' in caplog.text
    assert "the flush failed, all of it is kept" in caplog.text
    die(earlier)
    upgraded = start()
    upgraded.adoption.run()
    upgraded.flusher.flush()
    assert counted(engine) == 3
    assert rows(engine, "SELECT count(*) FROM statscache_quarantine") == [(0,)]


def test_all_is_as_it_was_if_it_fails(earlier: Daemon, start: Start, engine: Engine) -> None:
    """A start says what is in the way, and changes nothing before that is gone."""
    count_as_before(earlier, body(f"2026-{A}"))
    run(engine, "CREATE VIEW mine AS SELECT msg_id FROM statscache_ledger")
    with pytest.raises(
        Unusable, match=r"cannot be made canonical \(cannot alter type of a column used by a view"
    ):
        start()
    assert ids(engine) == ids(engine, "data_releng_dashboard") == [f"2026-{A}"]
    run(engine, "DROP VIEW mine")
    start()
    assert ids(engine) == [A]


def test_a_table_that_cannot_be_rewritten_keeps_no_daemon_from_starting(
    earlier: Daemon, start: Start, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Little depends on the ids in a table of latest states."""
    count_as_before(earlier, body(f"2026-{A}"))
    run(engine, f"ALTER TABLE data_releng_dashboard ADD CHECK (msg_id = '2026-{A}')")
    start()
    assert ids(engine) == [A]
    assert "the ids in data_releng_dashboard cannot be made canonical" in caplog.text


def test_nothing_is_written_to_the_ledger_of_an_earlier_version(
    earlier: Daemon, start: Start, server: Engine, engine: Engine, database: str
) -> None:
    """After a restore of a dump from before the upgrade a daemon waits for a restart, which rewrites the ids."""
    count_as_before(earlier, body(f"2026-{A}"))
    assert earlier.finish(5)
    before = Past(server, database)
    daemon = start()
    count(daemon, body(f"2026-{B}", 1))
    before.come_back()
    before.forget()
    daemon.intake.accept(body(f"2026-{A}"))
    daemon.engine.dispose()
    with pytest.raises(DatabaseIncomplete, match="those of an earlier version"):
        daemon.flusher.flush()
    die(daemon)
    again = start()
    again.adoption.run()
    again.flusher.flush()
    assert ids(engine) == [A]
    assert counted(engine) == 1


@pytest.mark.parametrize("copies", [(f"2026-{A}", B), (B, f"2026-{A}"), (A, f"2025-{B}"), (f"2026-{B}", A)])
def test_the_latest_state_is_the_same_whichever_copies_came(
    copies: Sequence[str], daemon: Daemon, engine: Engine
) -> None:
    """Of two states of one second and rank that with the greater canonical id stays."""
    count(daemon, *map(body, copies))
    assert ids(engine, "data_releng_dashboard") == [B]


def test_a_new_database_has_the_constraint(daemon: Daemon, engine: Engine) -> None:
    """Its name is not cut off, and an id that is not canonical does not get into the ledger."""
    assert len(CANONICAL_IDS) <= 63
    with pytest.raises(IntegrityError, match=CANONICAL_IDS):
        run(engine, f"INSERT INTO statscache_ledger VALUES ('2026-{A}', 1, now(), now())")
    run(engine, f"INSERT INTO statscache_ledger VALUES ('{A}', 1, now(), now()), ('2026-a', 1, now(), now())")


def test_a_further_constraint_does_no_harm(start: Start, engine: Engine) -> None:
    """A version that knows nothing of a constraint takes the table all the same."""
    start()
    run(engine, "ALTER TABLE statscache_ledger ADD CONSTRAINT of_a_later_version CHECK (msg_id <> 'x')")
    start()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.text("0129abfAFgxé٢-_ \n", min_size=1, max_size=45)
        | st.from_regex(r"\A[0-9]{3,5}-[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\n?\Z"),
        min_size=1,
    )
)
def test_the_database_cuts_the_same_ids(engine: Engine, given: list[str]) -> None:
    """A rewritten id is the one that the next copy of the message has."""
    query = text(
        f"SELECT ({CANONICAL}), ({IS_CANONICAL}) FROM unnest(CAST(:given AS text[])) WITH ORDINALITY AS g (msg_id, n) "
        "ORDER BY n"
    )
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(query, {"given": given})]
    assert found == [(canonical_id(each), canonical_id(each) == each) for each in given]
