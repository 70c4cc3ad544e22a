"""The benchmark runs through, with real hubs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from sqlalchemy import Engine

from benchmarks.variables import URI

ROOT = Path(__file__).parents[2]


def test_a_quick_run_measures_checks_and_writes_a_file(server: Engine, tmp_path: Path) -> None:
    """Each figure comes with its rounds and its control, and no cell differs."""
    output = tmp_path / "results" / "quick.json"
    cases = [f"--only={name}" for name in ("burst", "intake", "flush", "single", "idle")]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", *cases, "--output", str(output)],
        cwd=ROOT,
        env={**os.environ, URI: server.url.render_as_string(hide_password=False)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(output.read_text())
    assert report["differences"] == {"end to end, burst of 300": 0}
    assert report["machine"]["postgresql"]
    figures = {figure["name"]: figure for figure in report["figures"]}
    for name in (
        "end to end, burst of 300",
        "intake, in all, spool included",
        "flush, flush_latest, 100 new",
        "flush of a single message",
        "idle: resident memory",
    ):
        assert figures[name]["value"] > 0
        assert len(figures[name]["controls"]) == len(figures[name]["rounds"])
        assert name in done.stdout
    assert figures["intake, volume-1s alone"]["controls"] == []
