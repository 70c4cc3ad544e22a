"""`statscache prune`: old rows of real tables go, as a process drops them, and come back at a person's word."""

from __future__ import annotations

import json
import signal

import pytest
from sqlalchemy import Engine

from tests.support.hour import SINCE, START, UNTIL
from tests.support.place import Place
from tests.support.sql import scalar
from tests.support.tables import tables_in
from tests.system.datagrepper import Archive

pytestmark = pytest.mark.slow

#: What is older than 20 minutes of that hour, in seconds since 1970.
OLD = START + 2400


def configure(place: Place, archive: Archive, **keep: str) -> None:
    settings = {"statscache.datagrepper.endpoint": archive.url, "statscache.consumer.epoch": START}
    named = {name.lstrip("_").replace("_", "-"): length for name, length in keep.items()}
    place.configure({**settings, "statscache.monitoring.address": "", "statscache.keep": named})


@pytest.fixture
def counted(history: Place, archive: Archive) -> Place:
    """A place that has counted an hour in full, and is to keep seconds for 20 minutes."""
    configure(history, archive, _1s="20m", _1d="10m", volume_2s="1d")
    history.answer("backfill", "--since", SINCE, "--until", UNTIL)
    return history


def would_free(place: Place) -> float:
    """Return how many rows of the table of seconds the status says that `keep` would free."""
    tables = json.loads(place.answer("status", "--disk", "--json"))["tables"]
    [found] = [its["keep_would_free_rows"] for its in tables if its["table"] == "data_volume_1s"]
    assert isinstance(found, float)
    return found


def test_old_rows_go_and_all_others_stay(counted: Place, engine: Engine) -> None:
    """In every table; a dry run says the same and drops nothing; a second run has nothing to do."""
    before = tables_in(engine)
    code, output, errors = counted.run("prune", "--dry-run", "--json")
    assert (
        errors
        == "statscache: statscache.keep names 'volume-2s', which is no plugin that runs and no length of windows\n"
    )
    told = {its["table"]: its for its in json.loads(output)}
    assert code == 0
    assert tables_in(engine) == before
    assert (told["data_volume_1s"]["rows"], told["data_volume_1s"]["kept_for"]) == (2400, f"{20 / 1440:g} d")
    assert told["data_volume_1s"]["dropped"][0]["until"] == "2023-11-14T22:53:20Z"
    assert told["data_volume_1d"]["rows"] == 0
    assert would_free(counted) == 2400
    counted.run("prune")
    assert would_free(counted) == 0
    seconds = [table for table in before if table.endswith("_1s")]
    after = tables_in(engine)
    kept = {key: its for key, its in before["data_volume_1s"].items() if key >= OLD}
    assert after["data_volume_1s"] == kept
    assert {table: its for table, its in after.items() if table not in seconds} == {
        table: its for table, its in before.items() if table not in seconds
    }
    again = json.loads(counted.run("prune", "--json")[1])
    assert [(its["rows"], its["dropped"]) for its in again] == [(0, [])] * len(again)


def test_it_says_what_stays_and_why(counted: Place) -> None:
    """And so does the status."""
    stays = {its["table"]: its for its in json.loads(counted.run("prune", "--json")[1])}
    its = stays["data_volume_by_category_1s"]
    assert its["stays"] == [{"from": "2023-11-14T22:13:20Z", "until": "2023-11-14T22:13:30Z"}]
    assert its["why"] == "data_volume_by_category_15s does not have all of that time in whole windows"
    assert "names 'volume-2s'" in counted.run("prune")[2]
    said = "data_volume_by_category_1s keeps 2023-11-14 22:13:20 to 2023-11-14 22:13:30 UTC: "
    assert any(line.startswith(said) for line in json.loads(counted.run("status", "--json")[1])["staying"])


def test_it_is_filled_again_only_when_somebody_says_so(
    counted: Place, archive: Archive, engine: Engine
) -> None:
    """By a backfill, after --restore under a longer keep."""
    before = tables_in(engine)
    counted.run("prune")
    after = tables_in(engine)
    code, _, errors = counted.run("backfill", "--since", SINCE, "--until", UNTIL)
    assert (code, errors) == (
        2,
        "statscache: 2023-11-14 22:13:20 to 2023-11-14 23:13:20 UTC is covered already, or not kept any more: "
        "there is nothing to fill\n",
    )
    code, _, errors = counted.run("prune", "--restore", "volume-1s")
    assert (code, errors) == (
        2,
        "statscache: all that is not kept of volume-1s is older than statscache.keep says: let that be longer first\n",
    )
    assert tables_in(engine) == after
    configure(counted, archive, _1s="30d")
    said = counted.answer("prune", "--restore", "volume-1s")
    assert said == (
        "volume-1s is to be kept again for 2023-11-14 22:13:20 to 2023-11-14 22:53:20: the daemon, or statscache "
        "backfill, fills it from an archive\n"
    )
    counted.answer("backfill", "--since", SINCE, "--until", UNTIL)
    assert tables_in(engine)["data_volume_1s"] == before["data_volume_1s"]


#: Kills the process before a step of the restore, each statement and the commit being one, or after all of it.
KILLED = """
import os, signal, sys
from sqlalchemy import Engine, event
import statscache.cli.prune
prune = sys.modules["statscache.cli.prune"]
restore, steps = prune.restore, iter(range({}))

def step(*_):
    if next(steps, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)

def counted(*given):
    event.listen(Engine, "before_cursor_execute", step)
    event.listen(Engine, "commit", step)
    found = restore(*given)
    step()
    return found

prune.restore = counted
"""
STATE = """
SELECT json_build_array((SELECT json_object_agg(table_name, times) FROM statscache_not_kept),
    (SELECT json_object_agg(plugin, covered ORDER BY plugin) FROM statscache_coverage),
    (SELECT md5(string_agg(ledger::text, '' ORDER BY msg_id)) FROM statscache_ledger AS ledger))::text
"""


def test_a_restore_that_is_killed_has_happened_or_not(
    counted: Place, archive: Archive, engine: Engine
) -> None:
    """At whatever step; the next one does it, or says that it is done, and the archive fills it."""
    before = tables_in(engine)
    counted.run("prune")
    configure(counted, archive, _1s="30d")
    dropped, steps = scalar(engine, STATE), 0
    while scalar(engine, STATE) == dropped:
        code, output, _ = counted.run("prune", "--restore", "volume-1s", script=KILLED.format(steps))
        assert (code, output) == (-signal.SIGKILL, "")
        steps += 1
    assert steps > 8
    code, _, errors = counted.run("prune", "--restore", "volume-1s")
    assert (code, errors) == (
        2, "statscache: all of volume-1s is kept: there is nothing to restore\n",
    )  # fmt: skip
    counted.answer("backfill", "--since", SINCE, "--until", UNTIL)
    assert tables_in(engine)["data_volume_1s"] == before["data_volume_1s"]
