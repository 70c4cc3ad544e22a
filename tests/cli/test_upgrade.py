"""`statscache upgrade`, and what other commands say of tables that another version has upgraded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import Engine

from statscache.daemon import open_daemon
from statscache.store.revisions import NEWEST
from tests.support.commands import body
from tests.support.earlier import restore
from tests.support.place import ALL_ON, Place, lines
from tests.support.sql import run, scalar

APPLIED = "SELECT array_agg(version_num ORDER BY version_num) FROM statscache_schema"
#: Commands that write to the tables of statscache itself, or of plugins.
WRITING = (
    "replay lines.jsonl",
    "backfill",
    "verify --from https://127.0.0.1:1/",
    "quarantine retry --all",
    "quarantine drop --all",
    "note add x",
    "note remove 1",
    "grant pg_monitor",
    "upgrade",
    "upgrade --dry-run",
)


def test_it_says_what_it_would_do_and_does_it(there: Place, engine: Engine) -> None:
    """--dry-run changes nothing; the next run has nothing left."""
    restore(engine)
    planned = "e0002: The version of each daemon is beside its spool. (statscache_spool; at once)\n"
    assert there.answer("upgrade", "--dry-run") == planned
    assert scalar(engine, "SELECT to_regclass('statscache_schema')") is None
    assert json.loads(there.answer("upgrade", "--dry-run", "--json")) == {
        "upgrades": [
            {
                "id": "e0002",
                "about": "The version of each daemon is beside its spool.",
                "tables": ["statscache_spool"],
                "how": "at once",
            }
        ],
        "partitions": [],
        "waiting": [],
    }
    done = there.answer("upgrade")
    assert done == "e0002: The version of each daemon is beside its spool.\ne0002: done\n"
    assert scalar(engine, APPLIED) == ["e0002"]
    for arguments in ([], ["--dry-run"]):
        assert there.answer("upgrade", *arguments) == "nothing is left to upgrade\n"


def test_tables_become_partitions_where_they_can(
    there: Place, engine: Engine, config: dict[str, Any]
) -> None:
    """--dry-run shows it, and changes nothing; what keeps one from it is named, and the others are done."""
    daemon = open_daemon(config)
    daemon.intake.accept(body(1))
    assert daemon.finish(10)
    there.configure({"statscache.keep": {"1s": "30d"}, "statscache.plugins.enabled": ALL_ON})
    run(engine, "CREATE MATERIALIZED VIEW busiest AS SELECT max(volume) FROM data_volume_1s")
    whole = (
        "SELECT array_agg(relname::text ORDER BY relname) FROM pg_class "
        "WHERE relkind = 'r' AND relname LIKE 'data%1s'"
    )
    before = scalar(engine, whole)
    code, output, errors = there.run("upgrade", "--dry-run")
    sentence = (
        "statscache: data_volume_1s stays whole because of materialized view busiest: drop or change what is in the "
        "way, and run this again\n"
    )
    assert (code, errors, scalar(engine, whole)) == (1, sentence, before)
    assert (
        "data_volume_by_category_1s (about 0 rows) becomes the oldest partition of a table in its place"
        in output
    )
    told = json.loads(there.run("upgrade", "--dry-run", "--json")[1])["partitions"]
    assert {"table": "data_volume_1s", "rows": 0, "in_the_way": ["materialized view busiest"]} in told
    assert there.run("upgrade")[::2] == (1, sentence)
    assert scalar(engine, whole) == ["data_volume_1s"]
    run(engine, "DROP MATERIALIZED VIEW busiest")
    assert there.answer("upgrade").endswith("data_volume_1s: done\n")
    assert there.answer("upgrade") == "nothing is left to upgrade\n"
    assert scalar(engine, "SELECT sum(volume) FROM data_volume_1s") == 1


def test_before_the_first_start_there_is_nothing_to_upgrade(there: Place) -> None:
    """A daemon makes the tables."""
    code, output, errors = there.run("upgrade")
    assert (code, output) == (2, "")
    assert errors.startswith("statscache: there are no tables yet: a daemon makes them when it starts")


@pytest.mark.slow
def test_no_command_writes_to_tables_that_lost_the_form_it_knows(
    there: Place, engine: Engine, config: dict[str, Any]
) -> None:
    """Each says so in one line; those that read do so."""
    daemon = open_daemon(config)
    daemon.intake.accept({**body(1), "topic": f"org.fedoraproject.prod.bodhi.{'x' * 3000}"})
    assert daemon.finish(10)
    run(
        engine,
        "INSERT INTO statscache_schema VALUES ('c9001')",
        "INSERT INTO statscache_note (start, kind, text) VALUES (now(), 'other', 'x')",
    )
    there.write("lines.jsonl", lines(body(2)))
    for command in WRITING:
        code, output, errors = there.run(*command.split())
        assert (code, output) == (2, ""), command
        assert errors.startswith("statscache: the tables are those of a later version"), (command, errors)
        assert errors.count("\n") == 1
    assert there.run("note", "list")[0] == 0
    assert there.run("show", "volume-1m")[0] == 0


@pytest.mark.parametrize("applied", ["'0001'", "'e9001'"])
def test_commands_count_into_tables_that_have_the_form_they_know(
    applied: str, there: Place, engine: Engine
) -> None:
    """Of an earlier version as of a later one that has only added to them."""
    restore(engine)
    there.answer("upgrade")
    run(engine, f"UPDATE statscache_schema SET version_num = {applied}")
    there.write("lines.jsonl", lines(body(2, 1_690_000_000.0)))
    assert there.answer("replay", "lines.jsonl").startswith("1 message counted")
    assert NEWEST < 9001
