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
    """

    def __init__(
        self, directory: Path, settings: Mapping[str, Any], plugins: str = "", script: str = SCRIPT
    ) -> None:
        self._directory, self._script = directory, script
        path = os.pathsep.join(filter(None, [str(ROOT), plugins]))
        self._environment = {**os.environ, "STATSCACHE_SQLALCHEMY_URI": "", "PYTHONPATH": path}
        (directory / "fedmsg.d").mkdir(parents=True, exist_ok=True)
        (directory / "fedmsg.d" / "config.py").write_text(f"config = { ({**BUS, **settings})!r}\n")

    def run(self, *arguments: str, kill_after: float | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command, and log what it says.

        :param kill_after: after how many seconds it is killed
        """
        command = [sys.executable, "-c", self._script, *arguments]
        process = subprocess.Popen(
            command,
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if kill_after is not None:
            time.sleep(kill_after)
            process.kill()
        output, errors = process.communicate()
        (self._directory / f"{arguments[0]}.log").write_text(output + errors)
        return subprocess.CompletedProcess(command, process.returncode, output, errors)
