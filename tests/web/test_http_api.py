"""What docs/http-api.md says is so."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.sql import run
from tests.support.web import Server

PAGE = (Path(__file__).parents[2] / "docs" / "http-api.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
def test_the_questions_of_the_documentation_are_answered(made: tuple[Engine, Server]) -> None:
    """Every curl command of docs/http-api.md gets what it says."""
    engine, web = made
    run(engine, "INSERT INTO statscache_note (start, kind, text) VALUES (now(), 'release', '1.0 is out')")
    commands = re.findall(r"^\$ (curl .*)$", PAGE, re.MULTILINE)
    assert len(commands) >= 6
    for command in commands:
        command = command.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{web.port}").replace(
            "-s ", "-sS --fail "
        )
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), command
        assert len(done.stdout) > 2


def test_the_documentation_names_every_parameter(web: Server) -> None:
    """And no other."""
    section = PAGE.split("## Parameters", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    paths = web.get("/api/openapi.json").json["paths"]
    there, others = (
        {each["name"] for each in paths[f"/api/{ident}"]["get"]["parameters"]} - {"_"}
        for ident in ("volume-1s", "copr-builds-1h")
    )
    assert named == there | (others & {"figure"})  # of which a table of counts has one alone
