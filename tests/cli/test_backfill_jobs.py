"""`statscache backfill --jobs`: history by several processes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Engine, create_engine, text

from statscache.cli.jobs import jobs_for
from statscache.history.jobs.pool import processors
from tests.history.archives.test_datanommer import create, run
from tests.history.archives.test_datanommer_topics import INDEX
from tests.support.databases import new_database
from tests.support.hour import SINCE, START, UNTIL, has_counted, volume
from tests.support.hub import wait_for
from tests.support.jobs import all_processes, jobs_of
from tests.support.place import ALL_ON, Place
from tests.support.reference import usable
from tests.support.shared import read_lines
from tests.support.tables import assert_as_expected, expected_after, tables_in
from tests.system.datagrepper import Archive, Fault

pytestmark = pytest.mark.slow

SPAN = "--since", SINCE, "--until", UNTIL
DONE = "done: 7200 messages, 3600 s of 3600 s filled, 0 s left as gaps\n"
COVERED = "SELECT plugin, covered FROM statscache_coverage ORDER BY plugin"


def covered(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(COVERED))]


def test_several_processes_fill_what_one_does(
    server: Engine, history: Place, engine: Engine, archive: Archive, tmp_path: Path
) -> None:
    """Every cell and every plugin's coverage is the same, and so is what is said."""
    assert history.answer("backfill", *SPAN, "--jobs", "3") == DONE
    with new_database(server) as url:
        alone = Place(tmp_path / "alone", url)
        alone.directory.mkdir()
        alone.write("fedmsg.d/statscache.py", (history.directory / "fedmsg.d/statscache.py").read_bytes())
        assert alone.answer("backfill", *SPAN, "--jobs", "1") == DONE
        other = create_engine(url)
        assert tables_in(engine) == tables_in(other)
        assert covered(engine) == covered(other)
        other.dispose()
    code, _, errors = history.run("backfill", *SPAN, "--jobs", "2")
    assert (code, "covered already" in errors, volume(engine)) == (2, True, 7200)


def test_the_tables_are_as_after_the_bus(
    there: Place, engine: Engine, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real messages, by two processes, come to the figures that they must come to."""
    bodies = [line["message"] for line in read_lines(shared / "data" / "messages.jsonl")]
    archive = Archive([body for body in bodies if usable(body)], exact=True)
    there.configure({"statscache.plugins.enabled": ALL_ON})
    there.patience = 180.0
    since = "--since", "2000-01-01", "--until", "2024-12-31"
    try:
        there.answer("backfill", *since, "--from", archive.url, "--jobs", "2")
    finally:
        archive.close()
    assert_as_expected(engine, expected_after(shared, "messages"), capsys)


@contextmanager
def under_way(history: Place, engine: Engine, archive: Archive) -> Iterator[subprocess.Popen[str]]:
    """Give a backfill by two processes that has counted something and waits for the rest in vain."""
    number = archive.fail(Fault.SILENT, page=2, around=START + 0.5)
    command = history.start(
        *("backfill", *SPAN, "--jobs", "2"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    wait_for("two processes", lambda: len(jobs_of(command.pid)) == 2, patience=60)
    wait_for("a part to be counted", lambda: has_counted(engine), patience=60)
    processes = all_processes(command.pid)
    yield command
    psutil.wait_procs(processes, timeout=60)
    assert not [its for its in processes if its.is_running()]
    archive.lift(number)


def goes_on(history: Place, engine: Engine) -> None:
    """Let a second run fill the rest, after which each message counts once."""
    before = volume(engine)
    assert 0 < before < 7200
    assert history.answer("backfill", *SPAN, "--jobs", "2").startswith(f"done: {7200 - before} messages")
    assert volume(engine) == 7200


def test_a_process_that_is_killed_ends_the_command_in_a_sentence(
    history: Place, engine: Engine, archive: Archive
) -> None:
    """No process is left, and another run goes on from what was counted."""
    with under_way(history, engine, archive) as command:
        jobs_of(command.pid)[0].kill()
        output, errors = command.communicate(timeout=60)
    assert (command.returncode, output) == (2, "")
    assert errors == (
        "statscache: one of the processes of --jobs was killed by signal 9: run this again, which goes on from here\n"
    )
    goes_on(history, engine)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_command_that_is_killed_leaves_no_process(
    number: signal.Signals, history: Place, engine: Engine, archive: Archive
) -> None:
    """They end by themselves and say nothing, and another run goes on from what was counted."""
    with under_way(history, engine, archive) as command:
        command.send_signal(number)
        output, errors = command.communicate(timeout=60)
    assert (command.returncode, output, errors) == (-number, "", "")
    goes_on(history, engine)


def test_an_interrupt_ends_all_processes(history: Place, engine: Engine, archive: Archive) -> None:
    """A terminal sends it to all of them; it is told once."""
    with under_way(history, engine, archive) as command:
        os.killpg(command.pid, signal.SIGINT)
        output, errors = command.communicate(timeout=60)
    assert (command.returncode, errors) == (130, "statscache: run the command again to go on\n")
    assert output.startswith("interrupted: ")
    goes_on(history, engine)


def test_an_error_in_a_process_is_told_in_a_line(there: Place) -> None:
    """It is the sentence of one job."""
    url = "postgresql://nobody@127.0.0.1:1/x"
    code, output, errors = there.run("backfill", "--since", "1d", "--from", url, "--jobs", "2")
    assert (code, output, len(errors.splitlines())) == (2, "", 1)
    assert errors.startswith(
        "statscache: the datanommer database postgresql://nobody@127.0.0.1:1/x cannot be reached"
    )


def test_what_the_archive_does_not_give_is_left_as_a_gap(
    history: Place, engine: Engine, archive: Archive
) -> None:
    """It is named, the exit code is 1, and all else is filled."""
    archive.fail(Fault.CUT, around=START + 1800.5)
    history.patience = 180.0
    code, output, errors = history.run("backfill", *SPAN, "--jobs", "2")
    left = 3600 - volume(engine) // 2
    assert (code, 0 < left < 100, archive.url in errors) == (1, True, True)
    assert output.startswith(
        f"done: {2 * (3600 - left)} messages, {3600 - left} s of 3600 s filled, {left} s left"
    )


def test_by_default_there_are_processes_where_there_is_much_to_do() -> None:
    """As many as there are processors; --jobs says how many in any case."""
    assert [jobs_for(None, work, 100) for work in (0, 199)] == [1, 1]
    assert jobs_for(None, 100 * processors(), 100) == processors()
    assert jobs_for(3, 0, 100) == 3


MANY = """
INSERT INTO messages (msg_id, i, topic, timestamp, msg)
SELECT 'many-' || n, n,
    CASE WHEN n % 100 = 0 THEN 'io.pagure.prod.pagure.issue.comment.added' ELSE 'a.b.c.t' || n % 90 END,
    timestamp '2023-11-14 22:13:20' + n * interval '0.5 s', '{"agent": "ada", "project": {"fullname": "tool"}}'
FROM generate_series(0, 39999) AS n
"""


def test_several_processes_ask_for_what_is_wanted(
    server: Engine, there: Place, engine: Engine, tmp_path: Path
) -> None:
    """Figures, coverage and words are those of one process that reads all."""
    there.configure({"statscache.plugins.enabled": ALL_ON})
    (tmp_path / "alone").mkdir()
    span = "--since", SINCE, "--until", "2023-11-15T03:46:40"
    with new_database(server) as archive, new_database(server) as url:
        source, other = create_engine(archive), create_engine(url)
        create(source)
        run(source, MANY)
        alone = Place(tmp_path / "alone", url)
        alone.configure({"statscache.plugins.enabled": ALL_ON})
        said = alone.answer("backfill", *span, "--from", archive, "--jobs", "1")
        assert said == "done: 40000 messages, 20000 s of 20000 s filled, 0 s left as gaps\n"
        run(source, INDEX)
        run(source, "ANALYZE messages")
        assert there.answer("backfill", *span, "--from", archive, "--jobs", "2") == said
        assert tables_in(engine) == tables_in(other)
        assert covered(engine) == covered(other)
        source.dispose()
        other.dispose()
