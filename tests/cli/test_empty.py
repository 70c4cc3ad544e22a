"""What commands say where there is nothing: never a bare header, and never that all is done."""

from __future__ import annotations

import json
import time

import pytest
from sqlalchemy import Engine, text

from tests.support.commands import body, told
from tests.support.place import Place, lines


def replayed(place: Place, *bodies: object) -> tuple[int, str]:
    """Replay lines, and return the exit code and what is printed."""
    place.write("lines.jsonl", lines(*bodies))
    return place.run("replay", "lines.jsonl")[:2]


@pytest.mark.slow
def test_nothing_is_said_in_words(there: Place, engine: Engine) -> None:
    """An empty quarantine, a table without rows, a new database without gaps, and a plugin that is suspended."""
    there.configure({"statscache.datagrepper.endpoint": "http://127.0.0.1:1/datagrepper"})
    code, output, errors = there.run("status")
    assert code == 2
    assert "no daemon has run on the database of STATSCACHE_SQLALCHEMY_URI yet" in output
    code, output, errors = there.run("backfill", "--dry-run")
    assert (code, output) == (2, "")
    assert errors.startswith("statscache: there is nothing to fill: history is wanted from 20")
    assert "covered" not in errors
    assert there.answer("quarantine", "list") == "no message is in the quarantine\n"
    assert there.answer("quarantine", "list", "2023-1") == "no such message is in the quarantine\n"
    assert told(there, "quarantine", "list") == []
    assert there.answer("show", "volume-1m").split() == ["no", "rows"]
    assert there.answer("show", "volume-1m", "--csv") == "timestamp,volume\n"
    with engine.begin() as connection:
        row = "('volume-1m', now(), now() + interval '1 hour', 1, 'slow')"
        connection.execute(text(f"INSERT INTO statscache_suspension VALUES {row}"))
    errors = there.run("backfill", "--dry-run", "--plugin", "volume-1m", "--since", "2h")[2]
    assert errors.startswith("statscache: there is nothing to fill: suspended and left out: volume-1m; ")


@pytest.mark.slow
def test_a_replay_that_counts_nothing_of_what_there_was_fails(there: Place, engine: Engine) -> None:
    """It ends with 2, and covers no time; one good message is enough for 0."""
    bad = {**body(1), "timestamp": "soon"}
    assert replayed(there, bad, bad) == (2, "0 messages counted, 0 known already, 2 rejected, 0 bad lines\n")
    code, output, _ = there.run("replay", "lines.jsonl", "--covers", "2023-11-01", "2023-12-01", "--json")
    assert (code, json.loads(output)["covered"]) == (2, None)
    with engine.connect() as connection:
        query = "SELECT count(*) FROM statscache_coverage WHERE covered @> timestamptz '2023-11-15'"
        assert connection.scalar(text(query)) == 0
    assert replayed(there, bad, body(2))[0] == 0
    assert replayed(there, bad, body(2))[0] == 0


@pytest.mark.slow
def test_what_is_dated_ahead_does_not_head_what_is_newest(there: Place) -> None:
    """It is left out, which is told, unless it is asked for; sums have it."""
    now = time.time()
    replayed(there, body(1, now), body(2, now), body(3, 4_070_908_800.0), body(4, now + 8000))
    (row,) = told_beside(there, "show", "volume-1s")
    assert row["volume"] == 2
    code, output, errors = there.run("show", "volume-1s", "--top", "5")
    assert (code, len(output.splitlines()), errors) == (0, 4, "")
    assert len(told(there, "show", "volume-1s", "--until", "2199-01-01")) == 3
    assert len(told(there, "show", "volume-1s", "--since", "2099-01-01")) == 1
    assert told(there, "show", "volume-by-category-1d", "--by", "category") == [
        {"category": "bodhi", "volume": 4}
    ]


def told_beside(place: Place, *arguments: str) -> list[dict[str, object]]:
    """Return the rows of a plugin, having seen that others are said to be left out."""
    code, output, errors = place.run(*arguments, "--json")
    assert (code, errors) == (
        0,
        "statscache: 2 rows dated ahead of now, up to 2099-01-01T00:00:00Z, left out: --until shows them\n",
    )
    found: list[dict[str, object]] = json.loads(output)
    return found
