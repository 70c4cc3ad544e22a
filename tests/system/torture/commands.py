"""statscache's commands, as the suites run them: from a directory with a fedmsg.d, and killed if need be."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.system.torture.fleet import ROOT

#: What stands in fedmsg.d beside the settings.
BUS = {"endpoints": {}, "zmq_enabled": True, "validate_signatures": False}
SCRIPT = "from statscache.cli import main; main()"


class Commands:
    """Runs commands.

    :param directory: where they run; it is made
    :param settings: of statscache, and of the bus
    :param plugins: the directory with more plugins, if there are any
    :param script: what runs the command
    :param environment: variables of the environment
    """

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, Any],
        plugins: str = "",
        script: str = SCRIPT,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._directory, self._script = directory, script
        path = os.pathsep.join(filter(None, [str(ROOT), plugins]))
        known = {**os.environ, "STATSCACHE_SQLALCHEMY_URI": "", "PYTHONPATH": path}
        self._environment = {**known, **(environment or {})}
        (directory / "fedmsg.d").mkdir(parents=True, exist_ok=True)
        (directory / "fedmsg.d" / "config.py").write_text(f"config = { ({**BUS, **settings})!r}\n")

    def run(self, *arguments: str, kill_after: float | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command, and log what it says.

        :param kill_after: after how many seconds it is killed
        """
        process = self.start(*arguments)
        if kill_after is not None:
            time.sleep(kill_after)
            process.kill()
        return self.wait(process, *arguments)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [sys.executable, "-c", self._script, *arguments],
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait(self, process: subprocess.Popen[str], *arguments: str) -> subprocess.CompletedProcess[str]:
        """Wait for the end of a command that was started with these arguments, and log what it has said."""
        output, errors = process.communicate()
        with (self._directory / f"{arguments[0]}.log").open("a") as log:
            log.write(output + errors)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)
