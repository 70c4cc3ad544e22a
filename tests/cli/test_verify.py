"""`statscache verify` tells what differs from an archive."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text

from statscache.instants import write_second
from tests.support.bench import Bench
from tests.support.place import Place, lines, rows
from tests.support.recounting import HOURS, START, body, dump
from tests.system.datagrepper import Archive

Make = Callable[..., Bench]


@pytest.fixture
def place(there: Place, two_hours: Archive, make_bench: Make, engine: Engine) -> Place:
    """A directory whose database has counted two hours by our own plugins."""
    there.configure(
        {
            "statscache.datagrepper.endpoint": two_hours.url,
            "statscache.consumer.epoch": START,
            "statscache.spool.directory": str(there.directory / "spool"),
        }
    )
    start, stop = map(write_second, (START, HOURS.stop))
    there.answer("replay", there.write("all.jsonl", lines(*map(body, range(720)))), "--covers", start, stop)
    return there


@pytest.mark.slow
def test_the_command_tells_what_differs(place: Place, engine: Engine) -> None:
    """Its exit code is 0 if nothing does, 1 if something does, and 2 if that cannot be told."""
    hours = ("--since", "2023-11-14T22:00", "--until", "2023-11-15")
    before = dump(engine)
    assert place.answer("verify", *hours).splitlines()[-1].endswith("tables counted again: nothing differs")
    with engine.begin() as connection:
        connection.execute(
            text("SET LOCAL session_replication_role = replica")
        )  # so that no trigger notes it
        connection.execute(text("DELETE FROM data_volume_1m WHERE timestamp = '2023-11-14 22:30Z'"))
    code, output, _ = place.run("verify", "--plugin", "volume-1m", *hours)
    assert code == 1
    assert rows(output) == [
        ["plugin", "window (UTC)", "key", "actual", "recounted"],
        ["volume-1m", "2023-11-14 22:30:00", "no row", "6"],
        ["120 windows of 1 table counted again: 1 differing row in 1 table"],
    ]
    code, output, _ = place.run("verify", "--json", "--sample", "500", "--plugin", "volume-1m", *hours)
    (table,) = json.loads(output)["tables"]
    assert (code, table["differing"], table["differences"][0]["recounted"]) == (1, 1, {"volume": 6})
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO data_volume_1m VALUES ('2023-11-14 22:30Z', 6)"))
    assert dump(engine) == before


REFUSED = {
    ("--plugin", "no-such"): "no plugin 'no-such' runs here",
    ("--since", "yesterday"): "--since must be like 2h, 7d or 2024-05-31T12:00",
    ("--since", "1d", "--until", "2d"): "--since must be before --until",
    ("--from", "ftp://there"): "--from must be an https:// URL",
    ("--since", "1d"): "there is no window to check",
}


@pytest.mark.slow
def test_the_command_says_what_it_cannot_check(place: Place) -> None:
    """It takes a sentence, and exit code 2."""
    for arguments, sentence in REFUSED.items():
        code, output, errors = place.run("verify", *arguments)
        assert (code, sentence in output + errors) == (2, True), output + errors
        assert "Traceback" not in errors
