"""What the README says is so."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from statscache.daemon import Daemon
from statscache.demo.traffic import traffic

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(SELECT.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_runs_and_finds_something(query: str, daemon: Daemon, engine: Engine) -> None:
    """Each SQL query answers on the tables of an hour of traffic that has just passed."""
    with engine.connect() as connection:
        now = float(connection.scalar(text("SELECT extract(epoch FROM now())")))
    for message in traffic(1, now - 3600, 2.0):
        if message["timestamp"] > now:
            break
        daemon.intake.accept(message)
    daemon.flusher.flush()
    with engine.connect() as connection:
        assert connection.execute(text(query)).all()


SCRIPT = """
import json, sys
from statscache.daemon import open_daemon
daemon = open_daemon({"statscache.sqlalchemy.uri": sys.argv[1], "statscache.spool.directory": sys.argv[3]})
for message in json.loads(sys.argv[2]):
    assert daemon.intake.accept(message)
assert daemon.finish(10)
"""


def test_the_example_plugin_is_on_as_soon_as_it_is_installed(
    database: str, engine: Engine, tmp_path: Path
) -> None:
    """The README's plugin and setup.py, as they stand, make a package whose table fills."""
    source, target = tmp_path / "source", tmp_path / "installed"
    source.mkdir()
    for name in ("wikistats.py", "setup.py"):
        code = README.split(f"`{name}`:\n```python\n", 1)[1].split("```", 1)[0]
        (source / name).write_text(code, encoding="utf-8")
    assert len([line for line in (source / "wikistats.py").read_text().splitlines() if line.strip()]) <= 15
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(target), str(source)], check=True)
    edits = [
        {
            "topic": "org.fedoraproject.prod.wiki.article.edit",
            "msg": {"title": title},
            "msg_id": f"2024-{n}",
            "timestamp": 1_717_200_000 + 1200 * n,
        }
        for n, title in enumerate(["Main", "Main", "Other", "Main"])
    ]
    subprocess.run(
        [sys.executable, "-c", SCRIPT, database, json.dumps(edits), str(tmp_path / "spool")],
        env={**os.environ, "PYTHONPATH": str(target)},
        check=True,
        timeout=60,
    )
    with engine.connect() as connection:
        query = (
            "SELECT page, extract(epoch FROM timestamp)::int, volume FROM wiki_edits_by_page_1h ORDER BY 2, 1"
        )
        rows = [tuple(row) for row in connection.execute(text(query))]
    hour = 1_717_200_000
    assert rows == [("Main", hour, 2), ("Other", hour, 1), ("Main", hour + 3600, 1)]


def test_the_systemd_unit_is_where_the_readme_says() -> None:
    """extras/systemd/statscache.service runs fedmsg-hub, hears from it, and stops it by SIGTERM."""
    unit = (ROOT / "extras" / "systemd" / "statscache.service").read_text(encoding="utf-8")
    assert "fedmsg-hub" in unit
    assert "KillSignal=SIGTERM" in unit
    assert "Type=notify" in unit
    assert "WatchdogSec=" in unit


def test_the_tests_that_the_guarantees_name_are_there() -> None:
    """Every test that docs/guarantees.md calls a proof exists."""
    named = set(
        re.findall(r"`(tests/\w+\.py)`", (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8"))
    )
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
