"""What `statscache upgrade` does while others write: in batches, for as long as it takes, killed and begun again."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from statscache.daemon import open_daemon
from statscache.database.engine import make_engine
from statscache.schema.migrations.locking import alone
from statscache.schema.migrations.online import Online
from statscache.schema.migrations.start import upgrade_at_start
from statscache.schema.migrations.tree import TREE
from statscache.schema.migrations.upgrade import Upgrade
from statscache.schema.prepare import CORE
from statscache.store.revisions import DatabaseNewer
from tests.support.earlier import restore
from tests.support.revisions import WITH_OWN, upgrade
from tests.support.sql import run, scalar
from tests.support.writing import LONGEST, Writer

APPLIED = "SELECT array_agg(version_num ORDER BY version_num) FROM statscache_schema"
OF_NOTES = "attrelid = 'statscache_note'::regclass"
#: Rows of a table that takes some seconds to fill.
MANY = 150_000


@pytest.fixture
def notes(database: str, engine: Engine) -> Engine:
    """A database of before the first revision, with many notes."""
    restore(engine)
    run(
        engine,
        "INSERT INTO statscache_note (start, kind, text) "
        f"SELECT now(), 'other', repeat('x', 1 + n % 200) FROM generate_series(1, {MANY}) AS n",
    )
    return engine


def assert_filled(engine: Engine) -> None:
    """Look at what the revisions of the tests must have come to."""
    assert scalar(engine, "SELECT count(*) FROM statscache_note WHERE length <> length(text)") == 0
    assert scalar(engine, f"SELECT attnotnull FROM pg_attribute WHERE {OF_NOTES} AND attname = 'length'")
    assert scalar(engine, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'test_note_length'::regclass")


@pytest.mark.slow
def test_a_large_table_is_filled_while_others_write(database: str, notes: Engine) -> None:
    """Every row is filled, also those written meanwhile, and nobody who writes waits for longer than two seconds."""
    with Writer(notes, MANY) as writer:
        told = upgrade(database)
    assert_filled(notes)
    assert writer.written > 20
    assert writer.longest < LONGEST
    assert scalar(notes, APPLIED) == ["c9001", "e9001", "f9001"]
    assert told[:2] == ["e0002: The version of each daemon is beside its spool.", "e0002: done"]
    assert scalar(notes, f"SELECT count(*) FROM pg_attribute WHERE {OF_NOTES} AND attname = 'link'") == 0


@pytest.mark.slow
def test_it_is_killed_again_and_again_and_goes_on(database: str, notes: Engine) -> None:
    """Wherever that happens, the next run ends with the same tables."""
    places = [str(place) for place in WITH_OWN.places]
    command = [sys.executable, "-m", "tests.support.revisions", "upgrade", database, *places]
    chance, kills = random.Random(17), 0
    with Writer(notes, MANY):
        while True:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            try:
                assert process.wait(0.7 + 0.25 * kills + chance.random()) == 0
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
    assert kills > 2
    assert_filled(notes)
    assert scalar(notes, APPLIED) == ["c9001", "e9001", "f9001"]


def test_an_index_that_was_broken_off_is_made_anew(database: str, engine: Engine) -> None:
    """As one that a process was killed over, or that could not be had."""
    run(engine, "CREATE TABLE x (n int)", "INSERT INTO x VALUES (1), (1)")
    own = make_engine(database)
    with pytest.raises(Exception, match="could not create unique index"):
        Online(own).patient("CREATE UNIQUE INDEX CONCURRENTLY x_n ON x (n)")
    assert scalar(engine, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'x_n'::regclass") is False
    for _ in range(2):
        Online(own).index("x_n", "x (n)")
        assert scalar(engine, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'x_n'::regclass") is True
    own.dispose()


def test_rows_that_others_hold_are_waited_for(database: str, engine: Engine) -> None:
    """They are left for later, so that nobody waits in a circle, and are changed in the end."""
    run(engine, "CREATE TABLE x (n int, m int)", "INSERT INTO x (n) SELECT generate_series(1, 1000)")
    own = make_engine(database)
    filling = threading.Thread(target=Online(own).rows, args=("x", "m = n", "m IS NULL"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE x SET n = 0 WHERE n = 7"))
        filling.start()
        filling.join(1)
        assert filling.is_alive()
        assert scalar(engine, "SELECT count(*) FROM x WHERE m IS NULL") == 1
    filling.join(10)
    assert scalar(engine, "SELECT count(*) FROM x WHERE m = n") == 1000
    own.dispose()


@pytest.fixture
def old_form(database: str, engine: Engine) -> Iterator[Any]:
    """Tables with an old form that a revision takes away, and in which a daemon of an earlier version writes."""
    restore(engine)
    own = make_engine(database)
    upgrade_at_start(own, CORE, WITH_OWN)
    yield own
    own.dispose()


def wrote(engine: Engine, revision: str, ago: str) -> None:
    """Let a daemon have written some time ago."""
    row = f"('its', 0, now() - interval '{ago}', '0.9', {revision})"
    columns = "(id, position, updated, version, revision)"
    run(engine, "DELETE FROM statscache_spool", f"INSERT INTO statscache_spool {columns} VALUES {row}")


@pytest.mark.parametrize(
    ("revision", "ago"), [("NULL", "3 s"), ("NULL", "23 hours"), ("9000", "3 s"), ("2", "9 minutes")]
)
def test_an_old_form_stays_while_somebody_may_need_it(
    revision: str, ago: str, database: str, old_form: Engine
) -> None:
    """The daemon is named, all else is done, and it is done once that daemon is gone."""
    wrote(old_form, revision, ago)
    told = upgrade(database)[-1]
    assert told.startswith("c9001 waits for a daemon of version 0.9 that wrote ")
    assert "(spool its): stop it or start it in this version" in told
    assert scalar(old_form, APPLIED) == ["e9001", "f9001"]
    run(old_form, "DELETE FROM statscache_spool")
    assert upgrade(database)[-1] == "c9001: done"
    assert scalar(old_form, APPLIED) == ["c9001", "e9001", "f9001"]


@pytest.mark.parametrize(
    ("revision", "ago"), [("NULL", "25 hours"), ("9000", "11 minutes"), ("9001", "3 s"), ("9002", "0 s")]
)
def test_who_is_gone_or_knows_the_new_form_keeps_nothing(
    revision: str, ago: str, database: str, old_form: Engine
) -> None:
    """What a daemon of before there were revisions needs is kept for a day after it wrote, else for ten minutes."""
    wrote(old_form, revision, ago)
    assert upgrade(database)[-1] == "c9001: done"


def test_a_command_of_an_earlier_version_upgrades_nothing(database: str, old_form: Engine) -> None:
    """It says that a later one is to be used."""
    with pytest.raises(
        Exception, match=r"upgraded for a later version of statscache \(e9001\): run `statscache up"
    ):
        Upgrade(old_form, CORE, print, TREE).run()
    upgrade(database)
    with pytest.raises(DatabaseNewer, match="c9001"):
        Upgrade(old_form, CORE, print, TREE).run()


def test_nothing_is_left_after_it(config: dict[str, Any], database: str, engine: Engine) -> None:
    """Nor where a daemon of this version has made the tables, nor if they were made by hand for a first daemon."""
    with pytest.raises(Exception, match=r"^there are no tables yet: a daemon makes them when it starts"):
        upgrade(database, TREE)
    restore(engine)
    assert upgrade(database, TREE) == [
        "e0002: The version of each daemon is beside its spool.",
        "e0002: done",
    ]
    assert upgrade(database, TREE) == []
    daemon = open_daemon(config)
    assert daemon.finish(10)
    assert upgrade(database, TREE) == []


@pytest.mark.slow
def test_a_process_that_stops_in_between_holds_nothing_for_long(database: str, engine: Engine) -> None:
    """The server ends its transaction, and the work is tried again."""
    run(engine, "CREATE TABLE x (n int)")
    own, pauses = make_engine(database), [2.5, 0.0]

    def work(connection: Connection) -> None:
        connection.execute(text("INSERT INTO x VALUES (1)"))
        time.sleep(pauses.pop(0))
        connection.execute(text("LOCK TABLE x"))

    alone(own, work)
    assert (pauses, scalar(engine, "SELECT count(*) FROM x")) == ([], 1)
    own.dispose()


def test_several_statements_at_once_are_refused(database: str) -> None:
    """The server would give each of them the whole time; a semicolon in a text is none between statements."""
    own = make_engine(database)
    with pytest.raises(AssertionError, match="several statements at once"):
        alone(own, lambda connection: connection.execute(text("SELECT 1; SELECT 2")))
    alone(own, lambda connection: connection.execute(text("DO $x$ BEGIN PERFORM ';1'; END $x$;")))
    own.dispose()
