"""Who follows the tutorial word by word gets what it shows."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.docs.conftest import POSTGRES, make_commands
from tests.support.examples import Command, Example, commands, page
from tests.support.hub import wait_for
from tests.support.place import Place

pytestmark = pytest.mark.slow

PAGE = "docs/plugins/tutorial.md"
#: What makes an environment and installs statscache in it: the tests have both.
HAVE = re.compile(r"python3 -m venv .*|\. \.venv/bin/activate|pip install '/path/to/statscache.*'")
#: Where the tutorial's publisher is.
ADDRESS = "tcp://127.0.0.1:9940"


class Reader:
    """Does what a page says, and compares what is printed with what it shows."""

    def __init__(self, home: Path, port: int) -> None:
        self.directory = home
        self._installed = home / "installed"
        self._port = port
        self._hub: subprocess.Popen[bytes] | None = None
        self._environment = Place(home).environment | {
            "PATH": f"{POSTGRES}:{make_commands(home)}:{os.environ['PATH']}",
            "PYTHONPATH": f"{self._installed}",
            "PGTZ": "UTC",
        }

    def do(self, example: Example) -> None:
        """Write a file, or type commands."""
        if example.file is not None:
            path = self.directory / example.file
            path.parent.mkdir(exist_ok=True)
            path.write_text(example.text.replace(ADDRESS, f"tcp://127.0.0.1:{self._port}"), encoding="utf-8")
        elif example.language == "console":
            for command in commands(example):
                self._type(command)

    def _type(self, command: Command) -> None:
        if HAVE.fullmatch(command.text):
            return
        if command.text.startswith("cd "):
            self.directory /= command.text.removeprefix("cd ")
            self._environment["PYTHONPATH"] = (
                f"{self.directory}:{self._installed}"  # as `pip install -e` does
            )
        elif command.text == "fedmsg-hub":
            self._start_hub()
        else:
            printed = self._run(command.text)
            shown = ".*".join(re.escape(part) for part in _squeezed(command.output).split("…"))
            assert re.search(shown, _squeezed(printed.splitlines()), re.DOTALL), f"{command.text}:\n{printed}"

    def _run(self, command: str) -> str:
        options = f"--quiet --no-deps --no-build-isolation --target {self._installed}"
        command = command.replace("pip install -e", f"{sys.executable} -m pip install {options}")
        command = re.sub(r"^python ", f"{sys.executable} ", command)
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def _start_hub(self) -> None:
        """Start the daemon, its health endpoints at a port that is free, and wait until it runs."""
        more = 'config = {"statscache.monitoring.address": "127.0.0.1:0"}\n'
        (self.directory / "fedmsg.d" / "zz.py").write_text(more, encoding="utf-8")
        log = self.directory / "hub.log"
        script = "from fedmsg.commands.hub import hub; hub()"
        with log.open("wb") as file:
            self._hub = subprocess.Popen(
                [sys.executable, "-c", script],
                cwd=self.directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        wait_for("the hub to run", lambda: "statscache is running" in log.read_text(encoding="utf-8"))

    def end(self) -> None:
        """End the daemon."""
        if self._hub is not None:
            self._hub.send_signal(signal.SIGINT)
            try:
                assert self._hub.wait(15) == 0
            finally:
                self._hub.kill()
                self._hub = None


def _squeezed(lines: list[str]) -> str:
    """Return lines as a text in which nothing depends on the width of columns."""
    return "\n".join(" ".join(line.split()) for line in lines).strip()


@pytest.fixture
def reader(tmp_path: Path, free_port: int) -> Iterator[Reader]:
    """A reader in an empty directory."""
    reader = Reader(tmp_path, free_port)
    yield reader
    reader.end()


def test_the_tutorial_leads_from_nothing_to_a_row(reader: Reader) -> None:
    """Each file written, each command typed, in order: what is printed is what the page shows."""
    for example in page(PAGE).examples:
        reader.do(example)
    reader.end()
    data = str(reader.directory / "data")
    wait_for("the database to end", lambda: not any(data in _line(it) for it in psutil.process_iter()))


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
