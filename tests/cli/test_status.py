"""`statscache status`: whether the daemon is well."""

from __future__ import annotations

import json
import re
import socket
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from statscache.schema.migrations.tree import TREE
from tests.support.commands import NOWHERE
from tests.support.place import Place


def status(place: Place) -> tuple[int, str]:
    """Return the exit code of `statscache status`, and what it prints."""
    code, output, errors = place.run("status")
    assert errors == ""
    return code, output


def test_status_tells_of_each_plugin_and_of_what_is_wrong(busy: Place, engine: Engine) -> None:
    """From the database alone: a plugin that failed or is suspended degrades, and a daemon that is silent is none."""
    code, output = status(busy)
    assert (code, output.splitlines()[0]) == (1, "degraded")
    assert re.search(r"^  volume-by-topic-1s fails, the last time \d+ s ago$", output, re.MULTILINE)
    assert re.search(r"^quarantine  5 messages *$", output, re.MULTILINE)
    assert re.search(r"^volume-by-topic-5s .* 1 ", output, re.MULTILINE)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO statscache_suspension VALUES ('volume-1m', now(), now() + interval '1 hour', 1, 'slow');"
                "UPDATE statscache_coverage SET updated = now() - interval '1 hour'"
            )
        )
    code, output = status(busy)
    assert (code, output.splitlines()[0]) == (2, "not working")
    assert re.search(
        r"no daemon has written for 36\d\d s: is fedmsg-hub or statscache consume running\?", output
    )
    assert "volume-1m has been suspended: slow" in output


def test_status_says_what_somebody_has_removed(busy: Place, engine: Engine) -> None:
    """Which table, of which time, and how: that is no fault of the daemon's, and no reason for another exit code."""
    before, output = status(busy)
    assert "removed by hand" not in output
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE data_volume_1s"))
        connection.execute(text("DELETE FROM data_volume_1m"))
    code, output = status(busy)
    assert code == before
    told = re.findall(
        r"^removed by hand +(\w+) is not complete from (.*) to .* UTC: (.*), the last", output, re.M
    )
    assert [told[0][0], told[0][2], told[1][0], told[1][1], told[1][2]] == [
        "data_volume_1m", told[0][2], "data_volume_1s", "the beginning", "gone by TRUNCATE",
    ]  # fmt: skip
    assert re.fullmatch(r"\d+ rows? gone by DELETE", told[0][2])
    found = json.loads(busy.run("status", "--json")[1])
    assert [line.split()[0] for line in found["removed"]] == ["data_volume_1m", "data_volume_1s"]


def test_status_names_the_upgrades_that_wait(busy: Place, engine: Engine) -> None:
    """Each by its id, in one line with the command; where nothing waits there is no such line."""
    before, output = status(busy)
    assert "upgrade" not in output
    assert json.loads(busy.run("status", "--json")[1])["upgrades"] == []
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM statscache_schema"))
    waiting = TREE.revisions[1:]
    code, output = status(busy)
    assert code == before
    [line] = [line.strip() for line in output.splitlines() if "upgrade" in line]
    assert re.fullmatch(rf"upgrades +wait for `statscache upgrade`: {', '.join(waiting)}", line)
    assert json.loads(busy.run("status", "--json")[1])["upgrades"] == waiting
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO statscache_schema VALUES ('e9999')"))
    assert "upgrade" not in status(busy)[1]  # only a later version knows what waits


def test_status_without_a_database_says_so_soon(place_nowhere: Place) -> None:
    """What cannot be asked is not known."""
    before = time.monotonic()
    code, output = status(place_nowhere)
    assert time.monotonic() - before < 10
    assert code == 2
    assert "no daemon answers at 127.0.0.1:1 (Connection refused): is fedmsg-hub or statscache" in output
    assert "the database of STATSCACHE_SQLALCHEMY_URI" in output
    assert re.search(r"^gaps +not known", output, re.MULTILINE)


@pytest.fixture
def place_nowhere(tmp_path: Path) -> Place:
    """A place where neither a daemon nor a database is."""
    place = Place(tmp_path, NOWHERE)
    place.configure({"statscache.monitoring.address": "127.0.0.1:1"})
    return place


@pytest.mark.slow
def test_something_else_that_listens_there_is_no_daemon(place_nowhere: Place, address: str) -> None:
    """What does not speak as a daemon does is not taken for one, and one that says nothing is not waited for."""
    place_nowhere.configure({"statscache.monitoring.address": address})
    host, port = address.split(":")
    with socket.create_server((host, int(port))) as silent:
        assert f"no daemon answers at {address} (timed out)" in status(place_nowhere)[1]
        silent.settimeout(0)
