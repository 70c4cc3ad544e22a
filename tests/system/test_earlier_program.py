"""The program of before there were revisions, as it was committed, beside this one on one database and one bus."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.support.hub import Bus, Hub, ordinary, volume, wait_for
from tests.support.revisions import upgrade
from tests.support.sql import scalar

pytestmark = pytest.mark.slow

#: The last commit whose tables have the form 0001.
BEFORE = "1240c0b67f6bb1e45ff28c01ec66d46d73bcb976"
HERE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the program of that commit."""
    archived = subprocess.run(["git", "-C", HERE, "archive", BEFORE], capture_output=True)
    if archived.returncode:
        pytest.skip(f"needs the commit {BEFORE} in the repository")
    place = tmp_path_factory.mktemp("before")
    with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as archive:
        archive.extractall(place, filter="data")
    subprocess.run([sys.executable, "setup.py", "-q", "egg_info"], cwd=place, check=True)
    return place


@pytest.fixture
def start_earlier(
    before: Path, bus: Bus, config: dict[str, Any], tmp_path: Path
) -> Iterator[Callable[[], Hub]]:
    """Starts hubs that run that program."""
    hubs: list[Hub] = []

    def start() -> Hub:
        directory = tmp_path / f"earlier-{len(hubs)}"
        directory.mkdir()
        prefix = ["env", "-C", str(before)]  # where Python looks first
        hubs.append(Hub(directory, bus, config, prefix, PYTHONPATH=str(before)))
        return hubs[-1]

    yield start
    for hub in hubs:
        hub.kill()


def running(hub: Hub) -> Hub:
    """Wait until a hub flushes, of which the publisher hears nothing where another is subscribed already."""
    wait_for("the hub to run", hub._runs)
    return hub


def test_both_count_beside_each_other_and_the_earlier_one_is_started_again(
    start_hub: Callable[..., Hub],
    start_earlier: Callable[[], Hub],
    bus: Bus,
    engine: Engine,
    database: str,
) -> None:
    """Each message counts once, on tables that this one has upgraded; and what the earlier one needs stays."""
    sent = 0

    def send(count: int = 200) -> None:
        nonlocal sent
        bus.send_all(ordinary(number) for number in range(sent, sent + count))
        sent += count
        wait_for("all to be counted", lambda: volume(engine) >= sent)

    earlier = start_earlier()
    earlier.wait_until_running()
    send()
    assert scalar(engine, "SELECT to_regclass('statscache_schema')") is None
    now = running(start_hub())
    assert "the tables are upgraded: The version of each daemon is beside its spool (e0002)" in now.log
    send()
    earlier.end()
    send()
    earlier = running(start_earlier())
    send()
    now.end()
    send()
    now = running(start_hub())
    send()
    told = upgrade(database)[-1]
    assert "a daemon of version before 1.0.0 that wrote" in told
    earlier.end()
    now.end()
    assert volume(engine) == sent
    assert scalar(engine, "SELECT count(*) FROM statscache_spool") == 0
    assert upgrade(database)[-1] == "c9001: done"
