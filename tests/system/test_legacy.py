"""Plugins written for statscache 0.0.4, from a distribution of their own, count right unchanged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

LEGACY = Path(__file__).parents[1] / "support" / "legacy"
#: From the winter into the summer of 2023, over both changes of the clocks, four in each of many minutes.
TIMES = [1_672_531_000 + index // 4 * 97_531.25 + index % 4 * 11.5 for index in range(900)]
TOPICS = ["org.fedoraproject.prod.bodhi.update.comment", "org.fedoraproject.prod.git.receive", "short.topic"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the distribution installed in it."""
    target = tmp_path_factory.mktemp("installed")
    source = tmp_path_factory.mktemp("source") / "legacy"
    source.mkdir()
    for path in LEGACY.rglob("*.py"):
        copy = source / path.relative_to(LEGACY)
        copy.parent.mkdir(exist_ok=True, parents=True)
        copy.write_text(path.read_text())
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(target), str(source)], check=True)
    return target


def messages() -> list[dict[str, Any]]:
    """Return messages in an order that is not that of their timestamps."""
    made = [
        {"topic": TOPICS[n % 3], "msg": {"n": n}, "msg_id": f"2023-{n:05}", "timestamp": when, "i": n}
        for n, when in enumerate(TIMES)
    ]
    return made[::2] + made[1::2]


def run(installed: Path, url: str, tmp_path: Path, zone: str) -> str:
    """Run the daemon with the old plugins in that time zone; return its log."""
    (tmp_path / "messages.json").write_text(json.dumps(messages()))
    done = subprocess.run(
        [sys.executable, str(LEGACY / "run.py"), url, str(tmp_path / "messages.json")],
        env={**os.environ, "PYTHONPATH": str(installed), "TZ": zone},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stderr


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns"])
def test_old_plugins_count_right_over_failed_and_repeated_flushes(
    zone: str, installed: Path, database: str, engine: Engine, tmp_path: Path
) -> None:
    """Their rows hold the right counts at the right instants, and so do those of the plugins beside them."""
    log = run(installed, database, tmp_path, zone)
    with engine.connect() as connection:
        for table, seconds, label in (
            ("legacy_volume_1m", 60, 1),
            ("legacy_volume_1d", 86400, 1),
            ("data_volume_1m", 60, 0),
        ):
            expected = Counter(int(when // seconds + label) * seconds for when in TIMES)
            found = connection.execute(text(f"SELECT extract(epoch FROM timestamp), volume FROM {table}"))
            assert {int(start): volume for start, volume in found} == expected, table
        newest = {topic: max(m["timestamp"] for m in messages() if m["topic"] == topic) for topic in TOPICS}
        found = connection.execute(
            text("SELECT category, extract(epoch FROM timestamp), message FROM legacy_latest")
        )
        for topic, when, message in found:
            assert (float(when), json.loads(message)["id"][:5]) == (newest.pop(topic), "2023-")
        assert newest == {}
        assert connection.scalar(text("SELECT sum(volume) FROM data_volume_by_topic_1m")) == len(TIMES)
        parts = text("SELECT category, sum(scalar) FROM legacy_front GROUP BY category ORDER BY category")
        halves = [("legacy front, even", len(TIMES) / 2), ("legacy front, odd", len(TIMES) / 2)]
        assert connection.execute(parts).all() == halves
        assert (
            "legacy-front-of-parts" in connection.scalars(text("SELECT ident FROM statscache_plugin")).all()
        )
        sevenths = sum(n % 7 == 0 for n in range(len(TIMES)))
        assert connection.scalar(text("SELECT sum(volume) FROM legacy_picky")) == len(TIMES) - sevenths
        assert connection.scalar(text("SELECT count(*) FROM legacy_stubborn")) == 0
        left = dict(
            connection.execute(
                text("SELECT plugin, count(*) FROM statscache_quarantine GROUP BY plugin")
            ).all()
        )
        everything = len(TIMES)
        assert left == {
            "legacy-picky": sevenths,
            "legacy-stubborn": everything,
            "legacy-swallower": everything,
        }
    assert "legacy-stubborn could not write" in log
    assert "legacy-swallower could not write" in log
    assert "legacy-picky could not count the message" in log


def test_what_does_not_load_is_named_with_its_reason(
    installed: Path, database: str, engine: Engine, tmp_path: Path
) -> None:
    """Each plugin that cannot be loaded is in the log by name, with why, and the others run."""
    log = run(installed, database, tmp_path, "UTC")
    reasons = {
        "legacy_nameless": "has no summary",
        "legacy_not_a_plugin": "not a subclass of statscache.plugins.BasePlugin",
        "legacy_async": "was removed with the asynchronous plugins of statscache 0.0.4",
        "legacy_threads": "was removed with the asynchronous plugins of statscache 0.0.4",
    }
    for name, reason in reasons.items():
        lines = [
            line
            for line in log.splitlines()
            if f"the plugin {name} of statscache-legacy-example 0.0.4" in line
        ]
        assert len(lines) == 1, name
        assert reason in lines[0]


def test_the_command_lists_plugins_of_other_packages(installed: Path, tmp_path: Path) -> None:
    """`statscache plugins` names the distribution that each plugin came from, and what does not load."""
    done = subprocess.run(
        [sys.executable, "-c", "from statscache.cli import main; main()", "plugins"],
        env={**os.environ, "PYTHONPATH": str(installed)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "statscache-legacy-example 0.0.4" in done.stdout
    assert "legacy_volume_1d" in done.stdout
    assert "does not load" in done.stdout
