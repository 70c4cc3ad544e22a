"""`statscache replay --covers`: files that make a time complete."""

from __future__ import annotations

import json
import time

import pytest
from sqlalchemy import Engine, text

from tests.support.hour import SINCE, UNTIL, body, volume
from tests.support.place import Place, lines

pytestmark = pytest.mark.slow


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


def test_covers_must_be_a_time_that_is_over(there: Place) -> None:
    """No file has what is yet to come."""
    there.write("a.jsonl", json.dumps(body(1, 1)))
    later = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 3600))
    for pair, said in (
        ((SINCE, later), "in the past"),
        ((UNTIL, SINCE), "FROM that is before its TO"),
        (("x", "y"), "'x'"),
    ):
        code, _, errors = there.run("replay", "a.jsonl", "--covers", *pair)
        assert code == 2
        assert said in errors
