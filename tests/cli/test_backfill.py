"""`statscache backfill`: history by hand, from real archives, as a process."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.support.hour import SINCE, START, UNTIL, has_counted, volume
from tests.support.hub import wait_for
from tests.support.place import ALL_ON, Place
from tests.support.reference import usable
from tests.support.shared import read_lines
from tests.support.tables import COMPLETE_TABLES, NO_REACH, assert_as_expected, expected_after
from tests.system.datagrepper import Archive, Fault

pytestmark = pytest.mark.slow


def test_a_span_is_filled_and_then_refused(history: Place, engine: Engine) -> None:
    """All of it counts, it is complete then, and a second backfill has nothing to do."""
    answer = history.answer("backfill", "--since", SINCE, "--until", UNTIL)
    assert answer == "done: 7200 messages, 3600 s of 3600 s filled, 0 s left as gaps\n"
    assert volume(engine) == 7200
    query = f"""
        SELECT count(*), bool_and(complete @> tstzrange('{SINCE}Z', '{UNTIL}Z'))
        FROM statscache_freshness WHERE {NO_REACH}
    """
    with engine.connect() as connection:
        assert connection.execute(text(query)).one() == (COMPLETE_TABLES, True)
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
    wait_for("a part to be counted", lambda: has_counted(engine))
    command.send_signal(signal.SIGINT)
    output, errors = command.communicate(timeout=20)
    assert (command.returncode, errors) == (130, "statscache: run the command again to go on\n")
    assert output.startswith("interrupted: ")
    before = volume(engine)
    assert 0 < before < 7200
    archive.lift()
    assert history.answer("backfill", "--since", SINCE, "--until", UNTIL).startswith(
        f"done: {7200 - before} "
    )
    assert volume(engine) == 7200


def test_a_rebuild_mends_what_is_wrong_and_tells(history: Place, engine: Engine) -> None:
    """Rows that somebody has changed are as the archive has them again, and what differed is shown."""
    history.answer("backfill", "--since", SINCE, "--until", UNTIL)
    with engine.begin() as connection:
        connection.execute(text("UPDATE data_volume_1m SET volume = 7 WHERE timestamp = '2023-11-14T22:30Z'"))
    code, output, errors = history.run("backfill", "--rebuild", "--since", SINCE, "--until", UNTIL)
    assert (code, volume(engine)) == (0, 7200)
    assert "volume-1m" in output
    assert re.search(r"2023-11-14 22:30:00 +7 +120", output)
    assert "1 differing row in 1 table" in output
    assert re.search("counting .* again for", errors)
    code, output, errors = history.run("backfill", "--rebuild", "--since", SINCE, "--until", UNTIL, "--json")
    assert (code, json.loads(output)["differing"]) == (0, 0)
    assert "nothing differs" in history.answer("verify", "--since", SINCE, "--until", UNTIL)


def test_the_tables_are_as_after_the_bus(
    there: Place, engine: Engine, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real messages, from an archive in one go, come to the figures that they must come to."""
    bodies = [line["message"] for line in read_lines(shared / "data" / "messages.jsonl")]
    archive = Archive([body for body in bodies if usable(body)], exact=True)
    there.configure({"statscache.plugins.enabled": ALL_ON})
    there.patience = 180.0
    try:
        there.answer("backfill", "--since", "2000-01-01", "--until", "2024-12-31", "--from", archive.url)
    finally:
        archive.close()
    assert_as_expected(engine, expected_after(shared, "messages"), capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--since yesterday", "--since must be like 2h, 7d or 2024-05-31T12:00, not 'yesterday'"),
        ("--until 0s", "--until must be at least statscache.coverage.lateness ago, 300 s"),
        ("--since 1d --until 2d", "--since must be before --until"),
        (
            "--plugin nonsense",
            "no plugin 'nonsense' runs here: `statscache plugins` lists those that do",
        ),
        ("--from ftp://x", "--from must be an https:// URL of a datagrepper or a postgresql:// URL"),
        ("--since 1d", "there is no archive to read: set statscache.datagrepper.endpoint in fedmsg.d"),
        ("--rebuild", "--rebuild needs --since"),
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
