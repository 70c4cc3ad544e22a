"""Tables of an earlier version are upgraded in place, and what a start leaves of that says so."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from statscache.daemon import Daemon, open_daemon
from statscache.database.engine import make_engine
from statscache.errors import Unusable
from statscache.schema.migrations.scripts import Scripts
from statscache.schema.migrations.start import upgrade_at_start
from statscache.schema.migrations.tree import TREE, Tree, waiting
from statscache.schema.prepare import CORE
from statscache.schema.tables import find_misfits
from statscache.store.revisions import NEWEST, DatabaseNewer
from tests.support.daemons import accept, die
from tests.support.earlier import restore
from tests.support.revisions import OWN, WITH_OWN, upgrade
from tests.support.sql import run, scalar
from tests.support.writing import LONGEST, Writer

VOLUME = "SELECT sum(volume) FROM data_volume_1m"
APPLIED = "SELECT array_agg(version_num ORDER BY version_num) FROM statscache_schema"

NOT_NULL = (
    "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'statscache_note'::regclass AND attname = 'length'"
)


@pytest.fixture
def earlier(engine: Engine) -> Engine:
    """A database of before the first revision."""
    restore(engine)
    return engine


@pytest.fixture
def daemons(config: dict[str, Any]) -> Iterator[Any]:
    """Opens daemons."""
    opened: list[Daemon] = []

    def start() -> Daemon:
        opened.append(open_daemon(config))
        return opened[-1]

    yield start
    for daemon in opened:
        daemon.engine.dispose()


def test_tables_of_before_the_first_revision_are_upgraded_with_their_rows(
    earlier: Engine, daemons: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Their form is noted, what is quick is applied and logged, all figures stay, and the daemon counts on."""
    caplog.set_level(logging.INFO)
    before = scalar(earlier, VOLUME)
    assert before == 201
    accept(daemon := daemons(), 1000)
    assert daemon.finish(10)
    assert scalar(earlier, VOLUME) == before + 1
    assert scalar(earlier, APPLIED) == ["e0002"]
    told = [record for record in caplog.messages if "upgraded" in record]
    assert told == ["the tables are upgraded: The version of each daemon is beside its spool (e0002)"]
    with earlier.connect() as connection:
        assert find_misfits(connection, CORE) == {}


def test_a_daemon_writes_its_version_beside_its_spool(earlier: Engine, daemons: Any) -> None:
    """The row of a daemon of before has none."""
    daemon = daemons()
    query = "SELECT id, version, revision FROM statscache_spool ORDER BY version NULLS FIRST"
    with earlier.connect() as connection:
        old, new = connection.execute(text(query)).all()
    assert old[1:] == (None, None)
    assert new == (daemon.spool.id, scalar(earlier, f"SELECT '{new.version}'"), NEWEST)
    assert new.version


def test_a_new_database_has_the_form_of_now(engine: Engine, daemons: Any, caplog: Any) -> None:
    """Nothing is upgraded in it, and nothing at the next start."""
    caplog.set_level(logging.INFO)
    for _ in range(2):
        die(daemons())
        assert scalar(engine, APPLIED) == TREE.heads == ["e0002"]
    assert "upgrade" not in caplog.text


def test_a_column_that_is_held_does_not_stop_the_start(
    earlier: Engine, daemons: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """While somebody reads the table, as a pg_dump does, the daemon counts without it; the log says what to do."""
    with earlier.connect() as reader:
        reader.execute(text("SELECT * FROM statscache_spool"))
        accept(daemon := daemons(), 1000)
        assert daemon.finish(10)
    assert scalar(earlier, VOLUME) == 202
    assert scalar(earlier, APPLIED) == ["0001"]
    [line] = [record for record in caplog.messages if "upgrade" in record]
    assert line.startswith("statscache_spool: not upgraded (canceling statement due to lock timeout)")
    assert line.endswith("; run `statscache upgrade`, then restart it")
    die(daemons())
    assert scalar(earlier, APPLIED) == ["e0002"]


ADDS = "ALTER TABLE statscache_{} ADD COLUMN more bigint"


@pytest.fixture
def make_tree(tmp_path: Path) -> Any:
    """Makes the tree of statscache with one more revision, of some statements, that can wait."""

    def make(*statements: str) -> Tree:
        lines = "".join(f"    op.execute({statement!r})\n" for statement in statements)
        (tmp_path / "e9001_more.py").write_text(
            '"""There is more."""\n\nfrom alembic import op\n\n'
            "revision, down_revision, branch_labels, depends_on = 'e9001', "
            f"{TREE.heads[0]!r}, None, None\ntables, can_wait = ('statscache_note', 'statscache_gap'), True\n\n"
            f"def upgrade():\n{lines}"
        )
        return Tree((*TREE.places, tmp_path))

    return make


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statements", "held", "why"),
    [
        ([*map(ADDS.format, ("note", "gap")), "SELECT 1"], "statscache_gap", "canceling .* lock timeout"),
        ([ADDS.format("note"), *["SELECT pg_sleep(0.7)"] * 4], "pg_am", r"it did not get through in 1\.8 s"),
    ],
    ids=["held", "slow"],
)
def test_however_many_statements_a_start_runs_nobody_waits_for_long(
    database: str, earlier: Engine, make_tree: Any, caplog: Any, statements: list[str], held: str, why: str
) -> None:
    """A revision that does not get through in two seconds waits for the command, and the daemon counts on."""
    own, tree = make_engine(database), make_tree(*statements)
    upgrade_at_start(own, CORE)
    with Writer(earlier) as writer, earlier.connect() as reader:
        reader.execute(text(f"SELECT * FROM {held}"))
        assert upgrade_at_start(own, CORE, tree) == {"statscache_note", "statscache_gap"}
    assert writer.longest < LONGEST
    [line] = [record for record in caplog.messages if "upgrade" in record]
    assert re.fullmatch(
        rf"statscache_note, statscache_gap: not upgraded \({why}\), so the daemon counts with the old form; "
        "run `statscache upgrade`, then restart it",
        line,
    )
    with own.connect() as connection:
        assert waiting(connection, tree) == ["e9001"]
        assert find_misfits(connection, CORE) == {}
    make_tree(*(its for its in statements if "sleep" not in its))
    assert upgrade_at_start(own, CORE, tree) == frozenset()
    assert scalar(earlier, APPLIED) == ["e9001"]
    own.dispose()


def test_a_table_that_cannot_be_done_without_stops_the_start(database: str, earlier: Engine) -> None:
    """It says which table is held, and changes nothing."""
    own = make_engine(database)
    with earlier.connect() as reader:
        reader.execute(text("SELECT * FROM statscache_note"))
        with pytest.raises(Unusable, match=r"^statscache_note: cannot be upgraded by e9001 \(canceling"):
            upgrade_at_start(own, CORE, WITH_OWN)
    assert scalar(earlier, APPLIED) == ["e0002"]
    upgrade_at_start(own, CORE, WITH_OWN)
    assert scalar(earlier, APPLIED) == ["e9001"]
    own.dispose()


def test_what_waits_for_the_command_is_named_at_each_start(
    database: str, earlier: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """The start goes on without it."""
    own = make_engine(database)
    for _ in range(2):
        caplog.clear()
        assert upgrade_at_start(own, CORE, WITH_OWN) == frozenset()
        assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
            "2 upgrades of the tables wait for `statscache upgrade` (f9001, c9001); until then the daemon counts "
            "with the old form, too"
        ]
    own.dispose()


def test_a_database_that_lost_the_form_of_this_version_is_left_alone(
    engine: Engine, daemons: Any, config: dict[str, Any]
) -> None:
    """A daemon that runs writes nothing more and keeps what comes; none starts; and nothing is lost."""
    accept(daemon := daemons(), 1000)
    run(engine, "INSERT INTO statscache_schema VALUES ('c9001')")
    with pytest.raises(DatabaseNewer, match=r"^the tables are those of a later version of statscache than "):
        daemon.writer.write(daemon.backlog.next(), daemon.continuity, daemon.buses, daemon.keeping)
    with pytest.raises(
        Unusable, match=r"\(revision c9001\), so nothing is written: install that version here$"
    ):
        daemons()
    die(daemon)
    run(engine, "DELETE FROM statscache_schema WHERE version_num = 'c9001'")
    assert daemons().finish(10)
    assert scalar(engine, VOLUME) == 1


def test_a_database_that_a_later_version_has_only_added_to_is_counted_into(
    engine: Engine, daemons: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """So that daemons of two versions can run side by side, and either can be restarted."""
    caplog.set_level(logging.INFO)
    die(daemons())
    run(
        engine,
        "UPDATE statscache_schema SET version_num = 'e9001'",
        "INSERT INTO statscache_schema VALUES ('f9001')",
    )
    accept(daemon := daemons(), 1000)
    assert daemon.finish(10)
    assert scalar(engine, VOLUME) == 1
    assert (
        "the tables are upgraded for a later version of statscache (e9001, f9001), which this one can count beside"
        in caplog.messages
    )


def test_what_a_later_version_keeps_in_columns_of_its_own_does_not_stop_the_start(
    engine: Engine, daemons: Any, database: str
) -> None:
    """Such a column must not be null where the later version lets the database fill it for whoever writes."""
    die(daemons())
    assert upgrade(database)[-1].startswith("c9001 waits for a daemon of version ")
    assert scalar(engine, NOT_NULL) is True
    accept(daemon := daemons(), 1000)
    assert daemon.finish(10)
    assert scalar(engine, VOLUME) == 1


@pytest.mark.slow
def test_of_two_that_start_at_once_one_applies_and_one_waits(database: str, earlier: Engine) -> None:
    """Both start, and each revision is applied once."""
    command = [sys.executable, "-m", "tests.support.revisions", "start", database]
    places = [str(place) for place in WITH_OWN.places]
    both = [subprocess.Popen([*command, *places], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all(each.endswith("ended\n") for each in told)
    for revision in ("e0002", "e9001"):
        assert sum(f"({revision})" in each for each in told) == 1
    assert scalar(earlier, APPLIED) == ["e9001"]


def test_the_revisions_are_one_tree() -> None:
    """Each stage is one line from the first on, files are named by ids, and each says what it does to which tables."""
    for tree in (TREE, WITH_OWN):
        scripts = Scripts(tree)
        assert sorted(scripts._directory.get_heads()) == sorted(tree.heads)
        assert scripts._directory.get_bases() == ["0001"]
        for revision in tree.revisions[1:]:
            script = scripts.script(revision)
            assert script.module.revision == revision
            assert script.about.endswith(".")
            assert script.tables
    assert TREE.newest == NEWEST
    assert Tree((OWN,)).revisions == ["e9001", "f9001", "c9001"]


def test_a_revision_can_be_applied_to_the_form_of_now(engine: Engine, daemons: Any) -> None:
    """As where somebody has dropped the table that notes them."""
    die(daemons())
    run(engine, "DROP TABLE statscache_schema")
    die(daemons())
    assert scalar(engine, APPLIED) == TREE.heads
