"""`statscache replay --jobs`: files by several processes."""

from __future__ import annotations

import gzip
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from tests.support.commands import body, left_over
from tests.support.databases import new_database
from tests.support.hour import volume
from tests.support.hub import wait_for
from tests.support.jobs import all_processes, jobs_of
from tests.support.packages import install
from tests.support.place import ALL_ON, Place, lines
from tests.support.tables import assert_as_expected, expected_after, tables_in

pytestmark = pytest.mark.slow

#: Removes a file as soon as it is clear who reads it.
REMOVED = """
import os
from statscache.history.files import replay_jobs

share = replay_jobs.shares


def shares(*arguments):
    found = share(*arguments)
    os.remove("b.jsonl")
    return found


replay_jobs.shares = shares
"""


def large(first: int, number: int = 1000) -> list[dict[str, Any]]:
    """Return messages that are of some length."""
    return [body(n, 1_700_000_000.0 + n) | {"msg": {"x": "x" * 10_000}} for n in range(first, first + number)]


@pytest.mark.parametrize("name", ["messages", "derived"])
def test_real_messages_come_to_the_expected_tables(
    name: str, there: Place, engine: Engine, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of several files, plain and compressed, with every plugin on, by two processes."""
    content = (shared / "data" / f"{name}.jsonl").read_bytes().splitlines(keepends=True)
    third = len(content) // 3
    files = [
        there.write("one.jsonl", b"".join(content[: 2 * third])),
        there.write("two.jsonl", b""),
        there.write("three.jsonl.gz", gzip.compress(b"".join(content[third:]))),
    ]
    there.configure({"statscache.plugins.enabled": ALL_ON})
    there.patience = 180.0
    code, output, _ = there.run("replay", *files, "--jobs", "2")
    assert (
        code,
        re.search(r"\d+ messages counted, \d+ known already, \d+ rejected, 0 bad lines", output) is not None,
    ) == (0, True)
    assert_as_expected(engine, expected_after(shared, name), capsys)


def test_several_processes_come_to_what_one_does(
    server: Engine, there: Place, engine: Engine, tmp_path: Path
) -> None:
    """Every cell is the same, and so is what is said, in the same order, by lines and pages of whole files."""
    bad = ["{", {**body(7001), "timestamp": "soon"}, ""]
    pages = [{"raw_messages": [body(7002), 3]}, {"raw_messages": [4]}]
    one = there.write("one.jsonl", lines(*large(0), *bad, *large(1000), *pages, *large(500), *bad, pages[0]))
    two = there.write("two.jsonl", lines(*bad, *large(2000)))
    there.patience = 180.0
    said = there.run("replay", one, two, "--jobs", "2")
    with new_database(server) as url:
        alone = Place(tmp_path, url)
        alone.patience = 180.0
        assert alone.run("replay", one, two, "--jobs", "1") == said
        other = create_engine(url)
        assert tables_in(engine) == tables_in(other)
        other.dispose()
    assert said[:2] == (2, "3001 messages counted, 1001 known already, 3 rejected, 6 bad lines\n")
    assert volume(engine) == 3001
    assert "one.jsonl, page 1, message 2: not a message" in said[2]
    assert "one.jsonl, page 3, message 2: not a message" in said[2]
    assert "one.jsonl, line 3006: not JSON" in said[2]


@contextmanager
def under_way(there: Place, engine: Engine) -> Iterator[tuple[subprocess.Popen[str], Connection]]:
    """Give a replay by two processes that has counted some, and somebody who lets it count no more."""
    there.write("large.jsonl", lines(*large(0, 4000)))
    there.answer("replay", there.write("some.jsonl", lines(*large(0, 10))))
    with engine.connect() as connection:
        connection.execute(text("LOCK TABLE statscache_ledger IN SHARE MODE"))
        command = there.start(
            *("replay", "large.jsonl", "--jobs", "2"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        wait_for("two processes", lambda: len(jobs_of(command.pid)) == 2, patience=60)
        wait_for("one to write", lambda: _waits(engine), patience=60)
        processes = all_processes(command.pid)
        yield command, connection
        psutil.wait_procs(processes, timeout=60)
        assert not [its for its in processes if its.is_running()]
    there.patience = 180.0
    before = volume(engine)
    output = there.answer("replay", "large.jsonl", "--jobs", "2")
    assert output == f"{4000 - before} messages counted, {before} known already, 0 rejected, 0 bad lines\n"
    assert volume(engine) == 4000


def _waits(engine: Engine) -> bool:
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'statscache_ledger'::regclass"
    with engine.connect() as connection:
        return bool(connection.scalar(text(query)))


def test_a_process_that_is_killed_ends_the_command_in_a_sentence(there: Place, engine: Engine) -> None:
    """No process is left, and another run counts what was not counted."""
    with under_way(there, engine) as (command, _):
        jobs_of(command.pid)[0].kill()
        output, errors = command.communicate(timeout=60)
        assert (command.returncode, output) == (2, "")
        assert errors == (
            "statscache: one of the processes of --jobs was killed by signal 9: run this again, which goes on from "
            "here\n"
        )


def test_a_command_that_is_killed_leaves_no_process(there: Place, engine: Engine) -> None:
    """They end by themselves and say nothing, and another run counts what was not counted."""
    with under_way(there, engine) as (command, _):
        command.kill()
        assert command.communicate(timeout=60) == ("", "")


def test_an_interrupt_ends_all_processes(there: Place, engine: Engine) -> None:
    """A terminal sends it to all of them."""
    with under_way(there, engine) as (command, _):
        os.killpg(command.pid, signal.SIGINT)
        _, errors = command.communicate(timeout=60)
        assert (command.returncode, "Traceback" in errors) == (130, False)


def test_an_error_in_a_process_is_told_in_a_line(there: Place) -> None:
    """Such as that of a file that somebody removes meanwhile; it is no traceback."""
    files = there.write("a.jsonl", lines(*large(0))), there.write("b.jsonl", lines(*large(0)))
    code, output, errors = there.run("replay", *files, "--jobs", "2", script=REMOVED)
    assert (code, output, len(errors.splitlines())) == (2, "", 1)
    assert "No such file or directory: 'b.jsonl'" in errors


def test_what_only_this_process_can_read_it_reads(there: Place, engine: Engine) -> None:
    """Standard input, and what is at its place, whatever --jobs says."""
    there.write("a.jsonl", lines(*large(0, 10)))
    for name in ("-", "/dev/stdin"):
        process = there.start("replay", "a.jsonl", name, "--jobs", "2", stdin=subprocess.PIPE)
        process.communicate(lines(*large(5, 10)), timeout=60)
        assert (process.returncode, volume(engine)) == (0, 15)


HANGING = """
import time
from datetime import timedelta
from statscache.plugins import CountingPlugin, counting_model

class Hanging(CountingPlugin):
    name = summary = description = "hanging"
    interval = timedelta(days=1)
    model = counting_model("hanging_1d", "messages")

    def process(self, message):
        while message["msg"].get("hang"):
            time.sleep(1)
        self.count(message)
"""


def test_a_plugin_of_another_package_counts_and_ends_the_command_if_it_hangs(
    there: Place, engine: Engine, tmp_path: Path
) -> None:
    """As it does in one process: it is suspended, and another run counts all for the others."""
    there.beside(install(tmp_path / "installed", "hanging", HANGING, hanging="Hanging"))
    there.configure({"statscache.plugin.hang": 2})
    good = there.write("good.jsonl", lines(*large(0)))
    assert there.run("replay", good, "--jobs", "2")[0] == 0
    assert volume(engine, "hanging_1d") == 1000
    bad = there.write("bad.jsonl", lines(*large(1000), {**body(5000), "msg": {"hang": True}}))
    code, output, errors = there.run("replay", bad, "--jobs", "2")
    assert (code, output, "Traceback" in errors) == (70, "", False)
    assert "hanging-1d hangs" in errors
    assert errors.splitlines()[-1] == (
        "statscache: a plugin hung and is suspended, the log says where: run this again to go on without it"
    )
    assert there.run("replay", bad, "--jobs", "2")[0] == 0
    assert volume(engine) == 2001


def test_an_embedded_database_stops_with_the_command(place: Place) -> None:
    """The processes that counted do not keep it."""
    place.environment["STATSCACHE_SQLALCHEMY_URI"] = f"embedded:{place.directory}/data"
    files = place.write("a.jsonl", lines(*large(0))), place.write("b.jsonl", lines(*large(500)))
    answer = place.answer("replay", *files, "--jobs", "2")
    assert answer == "1500 messages counted, 500 known already, 0 rejected, 0 bad lines\n"
    wait_for("the server to stop", lambda: not left_over(place), patience=60)
