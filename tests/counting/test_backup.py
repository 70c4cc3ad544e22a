"""Backups by PostgreSQL's own programs: what a restored database lacks, spools bring back, and the rest is a gap."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from statscache.daemon import open_daemon
from tests.support.daemons import accept, counted, die, message
from tests.support.databases import new_database
from tests.support.listening import Listening, assert_honest, complete, seconds_with_messages
from tests.support.place import Place, lines
from tests.support.sql import run
from tests.support.tools import Tools, plain

pytestmark = pytest.mark.slow


@pytest.fixture
def engine(database: str) -> Engine:
    """An engine that keeps no connections, since its database is replaced."""
    return create_engine(database, poolclass=NullPool)


@pytest.fixture
def config(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration with a tail."""
    return {**config, "statscache.spool.tail": 900}


class Backup:
    """A dump of a database, and the way back, as docs/running/backup.md has them."""

    def __init__(self, tool: Tools, server: Engine, database: str, path: Path) -> None:
        self._tool, self._server, self._database, self._path = tool, server, database, path

    def while_it_runs(self, live: Callable[[], None]) -> None:
        """Dump the database while something goes on."""
        dump = self._tool.begin("pg_dump", *self._arguments)
        while dump.poll() is None:
            live()
        assert dump.returncode == 0

    def take(self) -> None:
        """Dump the database."""
        self._tool("pg_dump", *self._arguments)

    def restore(self, url: str | None = None) -> None:
        """Restore the dump into an empty database, by default into a new one of the same name."""
        if url is None:
            name = create_engine(self._database).url.database
            run(
                self._server,
                f"DROP DATABASE {name} WITH (FORCE)",
                f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0",
            )
        self._tool("pg_restore", "--no-owner", f"--dbname={plain(url or self._database)}", str(self._path))

    @property
    def _arguments(self) -> tuple[str, ...]:
        return "--format=custom", f"--file={self._path}", f"--dbname={plain(self._database)}"


@pytest.fixture
def backup(tool: Tools, server: Engine, database: str, tmp_path: Path) -> Backup:
    """Takes a backup, and restores it."""
    return Backup(tool, server, database, tmp_path / "statscache.dump")


def on(config: dict[str, Any], url: str) -> dict[str, Any]:
    """Return a configuration for another database."""
    return {**config, "statscache.sqlalchemy.uri": url}


def on_another_machine(config: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """Return the configuration of a daemon that shares no disk with others."""
    return {**config, "statscache.spool.directory": str(tmp_path / "another machine")}


@pytest.fixture
def copy(server: Engine) -> Iterator[str]:
    """The URL of an empty database for a copy."""
    with new_database(server) as url:
        yield url


def id_of(engine: Engine) -> str:
    """Return the id of a database."""
    with engine.connect() as connection:
        return str(connection.scalar(text("SELECT id FROM statscache_database")))


def test_the_tail_brings_back_what_a_dump_of_a_running_system_lacks(
    config: dict[str, Any], engine: Engine, backup: Backup
) -> None:
    """Dumped while flushes go on, restored after a stop: a start counts each message since, and nothing twice."""
    first = Listening(open_daemon(config))
    first.live(100)
    backup.while_it_runs(lambda: first.live(10))
    first.live(205)
    assert first.daemon.finish(5)
    heard = seconds_with_messages(engine)
    backup.restore()
    assert len(seconds_with_messages(engine)) < len(heard)
    second = Listening(open_daemon(config), first.now)
    second.flush()
    assert seconds_with_messages(engine) == heard
    second.live(400)
    second.flush()
    assert seconds_with_messages(engine) == {*heard, *range(max(heard) + 1, max(heard) + 401)}
    assert_honest(engine)
    assert second.daemon.finish(5)


def test_what_no_spool_has_is_a_gap_that_a_file_fills(
    config: dict[str, Any], engine: Engine, backup: Backup, tmp_path: Path
) -> None:
    """With the disk of the spool gone, too, the time since the dump is not complete until it is replayed."""
    first = Listening(open_daemon(config))
    first.live(400)
    backup.take()
    first.live(400)
    die(first.daemon)
    shutil.rmtree(config["statscache.spool.directory"])
    backup.restore()
    second = Listening(open_daemon(config), first.now)
    second.live(400)
    assert seconds_with_messages(engine) == {*range(1, 401), *range(801, 1201)}
    assert_honest(engine)
    [(_, first_stop), (second_start, _)] = complete(engine)
    assert first_stop <= 400 < 800 < second_start
    assert second.daemon.finish(5)
    place = Place(tmp_path, config["statscache.sqlalchemy.uri"])
    place.configure({name: value for name, value in config.items() if "uri" not in name})
    place.write("archive.jsonl", lines(*map(message, range(1201))))
    start, stop = 1_700_000_000, 1_700_001_200
    place.answer("replay", "archive.jsonl", "--covers", str(start), str(stop))
    assert seconds_with_messages(engine) == set(range(1201))
    assert_honest(engine)


def test_a_backup_of_another_machines_daemon_waits_for_its_spool(
    config: dict[str, Any], engine: Engine, backup: Backup, tmp_path: Path
) -> None:
    """A new machine counts on; when the old one comes back, what only its spool has counts, too, each message once."""
    old = Listening(open_daemon(config))
    old.live(20)
    backup.take()
    old.live(25)
    die(old.daemon)
    backup.restore()
    new = Listening(open_daemon(on_another_machine(config, tmp_path)), old.now)
    new.live(10)
    new.flush()
    assert seconds_with_messages(engine) == {*range(1, 21), *range(46, 56)}
    assert_honest(engine)
    again = Listening(open_daemon(config), new.now)
    again.flush()
    assert seconds_with_messages(engine) == set(range(1, 56))
    assert_honest(engine)
    assert new.daemon.finish(5)
    assert again.daemon.finish(5)


@pytest.mark.parametrize("way", ["an id of its own", "another directory"])
def test_a_copy_beside_the_original_takes_nothing_of_its_spools(
    way: str, config: dict[str, Any], engine: Engine, backup: Backup, copy: str, tmp_path: Path
) -> None:
    """It has the same id, by which spools are found: with another, or with spools elsewhere, each counts its own."""
    first = open_daemon(config)
    accept(first, 1, 2)
    first.flusher.flush()
    backup.take()
    backup.restore(copy)
    of_copy = create_engine(copy, poolclass=NullPool)
    assert id_of(of_copy) == id_of(engine)
    beside = on(config, copy)
    if way == "an id of its own":
        run(of_copy, "UPDATE statscache_database SET id = gen_random_uuid()")
    else:
        beside = on_another_machine(beside, tmp_path)
    accept(first, 3)
    die(first)
    other = open_daemon(beside)
    accept(other, 4)
    other.flusher.flush()
    assert (counted(of_copy), counted(engine)) == (3, 2)
    assert other.finish(5)
    second = open_daemon(config)
    second.flusher.flush()
    assert counted(engine) == 3
    assert second.finish(5)
