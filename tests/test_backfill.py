"""`statscache backfill` and `statscache replay --covers`: history by hand, from real archives, as processes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from urllib3 import Retry

from statscache.app import open_app
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.backfill import Backfill
from tests.conftest import ALL_ON, read_lines
from tests.datagrepper import Archive, Fault
from tests.hub import wait_for
from tests.place import Place, lines
from tests.reference import usable
from tests.tables import assert_as_expected, expected_after

START = 1_700_000_000
SINCE, UNTIL = "2023-11-14T22:13:20", "2023-11-14T23:13:20"


def body(number: int, second: float) -> dict[str, Any]:
    topic = "org.fedoraproject.prod.bodhi.update.comment"
    return {"topic": topic, "msg": {"n": number}, "msg_id": f"2023-{number}", "timestamp": START + second}


@pytest.fixture
def archive() -> Iterator[Archive]:
    """An archive with two messages a second for an hour."""
    archive = Archive([body(n, n / 2) for n in range(7200)])
    yield archive
    archive.close()


@pytest.fixture
def history(there: Place, archive: Archive) -> Place:
    """A place whose settings name the archive, and want the hour."""
    there.configure(
        {
            "statscache.datagrepper.endpoint": archive.url,
            "statscache.consumer.epoch": START,
            "statscache.plugins.enabled": ALL_ON,
        }
    )
    return there


def volume(engine: Engine, table: str = "data_volume_1m") -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text(f"SELECT coalesce(sum(volume), 0) FROM {table}")) or 0)


def test_a_span_is_filled_and_then_refused(history: Place, engine: Engine) -> None:
    """All of it counts, it is complete then, and a second backfill has nothing to do."""
    answer = history.answer("backfill", "--since", SINCE, "--until", UNTIL)
    assert answer == "done: 7200 messages, 3600 s of 3600 s filled, 0 s are left as gaps\n"
    assert volume(engine) == 7200
    query = f"""
        SELECT count(*), bool_and(complete @> tstzrange('{SINCE}Z', '{UNTIL}Z')) FROM statscache_freshness
    """
    with engine.connect() as connection:
        assert connection.execute(text(query)).one() == (21, True)
    code, output, errors = history.run("backfill", "--since", SINCE, "--until", UNTIL)
    assert (code, output) == (2, "")
    assert errors == (
        "statscache: 2023-11-14 22:13:20 to 2023-11-14 23:13:20 UTC is covered already: there is nothing to fill\n"
    )
    assert volume(engine) == 7200


def test_a_dry_run_lists_and_changes_nothing(history: Place, engine: Engine, archive: Archive) -> None:
    """What would be filled is shown, and nothing is asked of the archive."""
    answer = history.answer("backfill", "--since", SINCE, "--until", UNTIL, "--dry-run")
    assert "2023-11-14 22:13:20  2023-11-14 23:13:20  all" in answer
    assert volume(engine) == 0
    assert archive.log() == []


def test_one_plugin_alone_is_filled(history: Place, engine: Engine) -> None:
    """The others keep their gap."""
    answer = history.answer("backfill", "--since", SINCE, "--until", UNTIL, "--plugin", "volume-1m", "--json")
    told = {"outcome": "done", "messages": 7200, "seconds": 3600, "filled": 3600, "left": 0}
    assert json.loads(answer) == told
    assert (volume(engine), volume(engine, "data_volume_1s")) == (7200, 0)
    listed = history.answer("backfill", "--since", SINCE, "--until", UNTIL, "--dry-run")
    assert "volume-1s" in listed
    assert "volume-1m" not in listed


def test_an_interrupted_backfill_goes_on_where_it_was(
    history: Place, engine: Engine, archive: Archive
) -> None:
    """Ctrl-C ends it at once; what was counted stays counted once."""
    archive.fail(Fault.SILENT, page=2, around=START + 0.5)  # of the oldest, which comes last
    command = history.start(
        "backfill", "--since", SINCE, "--until", UNTIL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_for("a part to be counted", lambda: _has_table(engine) and volume(engine) > 0)
    command.send_signal(signal.SIGINT)
    output, errors = command.communicate(timeout=20)
    assert (command.returncode, errors) == (130, "statscache: run it again to go on\n")
    assert output.startswith("interrupted: ")
    before = volume(engine)
    assert 0 < before < 7200
    archive.lift()
    assert history.answer("backfill", "--since", SINCE, "--until", UNTIL).startswith(
        f"done: {7200 - before} "
    )
    assert volume(engine) == 7200


def _has_table(engine: Engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.scalar(text("SELECT to_regclass('data_volume_1m') IS NOT NULL")))


def test_what_the_archive_does_not_give_is_left_as_a_gap(
    config: dict[str, Any], engine: Engine, archive: Archive
) -> None:
    """It is named, and the next backfill fills it."""
    number = archive.fail(Fault.CUT, around=START + 1800.5)
    app = open_app(config)
    everything = app.writer.plugins, START, START + 3600
    reported: list[str] = []
    work = Backfill(app, *everything)
    impatient = Datagrepper(archive.url, retry=Retry(total=1, backoff_factor=0))
    work.run(impatient, reported.append, lambda seconds, messages: None)
    assert volume(engine) == work.counted == 2 * (3600 - work.left)
    assert 0 < work.left < 100
    assert archive.url in reported[0]
    archive.lift(number)
    again = Backfill(app, *everything)
    again.run(impatient, reported.append, lambda seconds, messages: None)
    assert (again.seconds, again.left, volume(engine)) == (work.left, 0, 7200)
    app.engine.dispose()


def test_a_rebuild_mends_what_is_wrong_and_tells(history: Place, engine: Engine) -> None:
    """Rows that somebody has changed are as the archive has them again, and what differed is shown."""
    history.answer("backfill", "--since", SINCE, "--until", UNTIL)
    with engine.begin() as connection:
        connection.execute(text("UPDATE data_volume_1m SET volume = 7 WHERE timestamp = '2023-11-14T22:30Z'"))
    code, output, errors = history.run("backfill", "--rebuild", "--since", SINCE, "--until", UNTIL)
    assert (code, volume(engine)) == (0, 7200)
    assert "volume-1m" in output
    assert re.search(r"2023-11-14 22:30:00 +7 +120", output)
    assert "1 rows of 1 tables differ" in output
    assert "counted again for" in errors
    code, output, errors = history.run("backfill", "--rebuild", "--since", SINCE, "--until", UNTIL, "--json")
    assert (code, json.loads(output)["differing"]) == (0, 0)
    assert "nothing differs" in history.answer("verify", "--since", SINCE, "--until", UNTIL)


def test_files_that_cover_a_time_make_it_complete(history: Place, engine: Engine) -> None:
    """Only where it is told to, and not when a line of them is bad."""
    history.write("hour.jsonl", lines(*(body(n, n / 2) for n in range(7200))))
    history.write("bad.jsonl", lines(body(1, 1), "{"))
    assert history.run("replay", "bad.jsonl", "--covers", SINCE, UNTIL)[0] == 2
    assert "all" in history.answer("backfill", "--since", SINCE, "--until", UNTIL, "--dry-run")
    history.answer("replay", "hour.jsonl")
    assert "all" in history.answer("backfill", "--since", SINCE, "--until", UNTIL, "--dry-run")
    answer = history.answer("replay", "hour.jsonl", "--covers", SINCE, UNTIL)
    assert answer.splitlines() == [
        "0 messages counted, 7200 known already, 0 rejected, 0 bad lines",
        "2023-11-14 22:13:20 to 2023-11-14 23:13:20 UTC is covered",
    ]
    assert history.run("backfill", "--since", SINCE, "--until", UNTIL)[0] == 2
    assert volume(engine) == 7200


def test_a_file_of_a_time_that_is_long_covered_does_not_count_again(history: Place, engine: Engine) -> None:
    """The ledger does not hold what was filled from that long ago; that it is covered tells."""
    history.answer("backfill", "--since", SINCE, "--until", UNTIL)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM statscache_ledger")) == 0
    history.write("hour.jsonl", lines(*(body(n, n / 2) for n in range(7200))))
    assert history.answer("replay", "hour.jsonl").startswith("0 messages counted, 7200 known already")
    assert volume(engine) == 7200


def test_the_tables_are_as_after_the_bus(
    there: Place, engine: Engine, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real messages, from an archive in one go, come to the figures that they must come to."""
    bodies = [line["message"] for line in read_lines(shared / "data" / "messages.jsonl")]
    archive = Archive([body for body in bodies if usable(body)], exact=True)
    there.configure({"statscache.plugins.enabled": ALL_ON})
    try:
        there.answer("backfill", "--since", "2000-01-01", "--until", "2024-12-31", "--from", archive.url)
    finally:
        archive.close()
    assert_as_expected(engine, expected_after(shared, "messages"), capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--since yesterday", "--since must be like 2h, 7d or 2024-05-31T12:00, not 'yesterday'"),
        ("--until 0s", "--until must be longer ago than statscache.coverage.lateness, 300 s"),
        ("--since 1d --until 2d", "--since must be before --until"),
        (
            "--plugin nonsense",
            "there is no plugin 'nonsense' that runs here: `statscache plugins` lists them",
        ),
        ("--from ftp://x", "--from must be an https:// URL of a datagrepper or a postgresql:// URL"),
        ("--since 1d", "there is no archive to read: set statscache.datagrepper.endpoint in fedmsg.d"),
        ("--rebuild", "--rebuild must be given a --since"),
        ("--since 1d --from http://127.0.0.1:1/", "127.0.0.1"),
        ("--since 1d --from postgresql://nobody@127.0.0.1:1/x", "nobody@127.0.0.1:1/x cannot be reached"),
    ],
)
def test_what_cannot_be_filled_is_told_in_a_line(there: Place, arguments: str, said: str) -> None:
    """One sentence says what is wrong with what was given."""
    code, output, errors = there.run("backfill", *arguments.split())
    assert said in errors
    assert code in (1, 2)
    assert "Traceback" not in errors + output


def test_covers_must_be_a_time_that_is_over(there: Place) -> None:
    """No file has what is yet to come."""
    there.write("a.jsonl", json.dumps(body(1, 1)))
    later = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 3600))
    for pair, said in (
        ((SINCE, later), "in the past"),
        ((UNTIL, SINCE), "FROM before its TO"),
        (("x", "y"), "'x'"),
    ):
        code, _, errors = there.run("replay", "a.jsonl", "--covers", *pair)
        assert code == 2
        assert said in errors
