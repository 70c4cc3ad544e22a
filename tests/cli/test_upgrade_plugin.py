"""`statscache upgrade --plugin`: the table of a plugin that does not fit gets its form, at somebody's word."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from sqlalchemy import Engine

from statscache.daemon import open_daemon
from tests.support.commands import body
from tests.support.place import ALL_ON, Place
from tests.support.recounting import dump
from tests.support.sql import run, scalar

IDENT, TABLE = "volume-1m", "data_volume_1m"
#: As an earlier version of the plugin might have made it.
COLUMNS = "timestamp timestamptz, host text, volume bigint NOT NULL"
EARLIER = f"CREATE TABLE {TABLE} ({COLUMNS}, PRIMARY KEY (timestamp, host))"
ROWS = f"INSERT INTO {TABLE} VALUES ('2024-05-31 12:00Z', 'a', 1), ('2024-05-31 12:02Z', 'a', 2)"
KEY = (
    f"SELECT array_agg(attname::text ORDER BY attname) FROM pg_index JOIN pg_attribute ON attrelid = indrelid "
    f"AND attnum = ANY (indkey) WHERE indrelid = '{TABLE}'::regclass AND indisprimary"
)
COMMAND = ("upgrade", "--plugin", IDENT)
#: Kills the process right after a statement.
KILL = """
import os, signal
from sqlalchemy import Engine, event

@event.listens_for(Engine, "after_cursor_execute")
def kill(connection, cursor, statement, *rest):
    if {needle!r} in statement:
        os.kill(os.getpid(), signal.SIGKILL)
"""
KILL_AT_COMMIT = """
import os, signal
from sqlalchemy import Engine, event
from statscache.store import remade

@event.listens_for(Engine, "commit")
def kill(connection):
    if connection.exec_driver_sql("SELECT count(*) FROM statscache_remade").scalar_one():
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def earlier(config: dict[str, Any], engine: Engine, caplog: pytest.LogCaptureFixture, there: Place) -> Place:
    """A place where a daemon has just begun on such a table."""
    caplog.set_level(logging.INFO)
    there.configure({"statscache.plugins.enabled": ALL_ON})
    run(engine, EARLIER, ROWS)
    count(config)
    return there


def count(config: dict[str, Any], number: int = 1) -> None:
    """Let a daemon start, count a message and end."""
    daemon = open_daemon(config)
    daemon.intake.accept(body(number))
    assert daemon.finish(10)


def test_the_daemon_names_the_command_and_what_would_be_lost(
    earlier: Place, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """It counts all others meanwhile."""
    [told] = [
        record.getMessage() for record in caplog.get_records("setup") if record.levelno >= logging.WARNING
    ]
    assert told == (
        f"{IDENT} is disabled: its table {TABLE} does not fit its model (the column host is not in the model and must "
        "not be null; the primary key is (timestamp, host) instead of (timestamp)); `statscache upgrade --plugin "
        f"{IDENT} --accept-loss` changes that, and drops what it has counted (2 rows)"
    )
    assert scalar(engine, "SELECT sum(volume) FROM data_volume_1h") == 1


@pytest.mark.slow
def test_it_is_done_at_somebody_s_word(
    earlier: Place, engine: Engine, config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Without it, it says what would be lost; a dry run changes nothing; afterwards the plugin counts."""
    before = dump(engine)
    lost = "2 rows, from 2024-05-31T12:00:00Z to 2024-05-31T12:02:00Z would be lost: the primary key is another one\n"
    code, output, errors = earlier.run(*COMMAND)
    assert (code, errors) == (
        1,
        "statscache: 2 rows would be lost: --accept-loss says that they may go\n",
    )
    assert output.endswith(lost)
    assert earlier.answer(*COMMAND, "--accept-loss", "--dry-run") == output
    told = json.loads(earlier.answer(*COMMAND, "--accept-loss", "--dry-run", "--json"))
    [table] = told["tables"]
    assert (told["done"], table["table"], table["lost"]["rows"]) == (False, TABLE, 2)
    assert table["statements"][0] == f"TRUNCATE {TABLE}"
    assert dump(engine) == before
    done = earlier.answer(*COMMAND, "--accept-loss")
    assert done.endswith(f"{IDENT}: done; restart the daemons, so that they count with it again\n")
    assert scalar(engine, KEY) == ["timestamp"]
    assert earlier.answer(*COMMAND) == f"{IDENT}: its table fits its model, nothing is to be done\n"
    caplog.clear()
    count(config, 2)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert scalar(engine, f"SELECT sum(volume) FROM {TABLE}") == 1


@pytest.mark.slow
def test_what_is_in_the_way_is_named(earlier: Place, engine: Engine) -> None:
    """And nothing is changed, whatever may be lost."""
    run(engine, f"CREATE VIEW hosts AS SELECT host FROM {TABLE}")
    before = dump(engine)
    code, _, errors = earlier.run(*COMMAND, "--accept-loss")
    assert (code, errors) == (
        1,
        f"statscache: {TABLE}: view hosts depends on what would be changed: drop or change it first\n",
    )
    assert dump(engine) == before


def test_accepting_a_loss_needs_a_plugin(there: Place) -> None:
    """One that runs here."""
    assert there.run("upgrade", "--accept-loss")[::2] == (2, "statscache: --accept-loss needs --plugin\n")


@pytest.mark.slow
def test_a_plugin_that_is_not_there_is_told(earlier: Place) -> None:
    """In one line."""
    code, _, errors = earlier.run("upgrade", "--plugin", "volume-2m")
    assert (code, errors) == (
        2,
        "statscache: no plugin 'volume-2m' runs here: `statscache plugins` lists those that do\n",
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "needle", ["LOCK TABLE", "TRUNCATE", "PRIMARY KEY", "INSERT INTO statscache_remade", ""]
)
def test_killed_at_any_point_it_has_happened_or_not(
    needle: str, earlier: Place, engine: Engine, config: dict[str, Any]
) -> None:
    """The table is whole, and the next run does what is left."""
    before = dump(engine)
    script = KILL.format(needle=needle) if needle else KILL_AT_COMMIT
    assert earlier.run(*COMMAND, "--accept-loss", script=script)[0] == -9
    assert dump(engine) == before
    earlier.answer(*COMMAND, "--accept-loss")
    count(config, 2)
    assert scalar(engine, f"SELECT sum(volume) FROM {TABLE}") == 1


@pytest.mark.slow
def test_killed_afterwards_the_next_start_does_the_rest(
    earlier: Place, engine: Engine, config: dict[str, Any]
) -> None:
    """The functions and the triggers of the table are made, and it is counted."""
    script = KILL.format(needle="CREATE OR REPLACE FUNCTION")
    assert earlier.run(*COMMAND, "--accept-loss", script=script)[0] == -9
    assert scalar(engine, KEY) == ["timestamp"]
    count(config, 2)
    assert scalar(engine, f"SELECT sum(volume) FROM {TABLE}") == 1
    assert scalar(engine, f"SELECT count(*) FROM pg_trigger WHERE tgrelid = '{TABLE}'::regclass") == 3
