"""The command `statscache`, as a user runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

#: Our plugins that run only where they are named.
ALL_ON = ["volume_by_package", "volume_by_topic", "volume_by_user"]
STATSCACHE = [sys.executable, "-c", "from statscache.cli import main; main()"]


def lines(*values: Any) -> str:
    """Return a file of JSON lines; texts stand for themselves."""
    return "".join((value if isinstance(value, str) else json.dumps(value)) + "\n" for value in values)


def rows(table: str) -> list[list[str]]:
    """Return the cells of a printed table, its titles first."""
    return [re.split(r" {2,}", line.strip()) for line in table.splitlines()]


def heed_interrupts() -> None:
    """Let a process heed SIGINT, which those in the background of a script otherwise ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Place:
    """A user's working directory, with no other configuration in reach."""

    #: How long in seconds a command may take.
    patience = 60.0

    def __init__(self, directory: Path, uri: str | None = None) -> None:
        self.directory = directory
        kept = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "COLUMNS")}
        self.environment = {**kept, "HOME": str(directory), "STATSCACHE_SQLALCHEMY_URI": uri or ""}

    def write(self, name: str, content: str | bytes) -> str:
        """Write a file, and return its name."""
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    def configure(self, settings: dict[str, Any]) -> None:
        """Put settings into fedmsg.d."""
        self.write("fedmsg.d/statscache.py", f"config = {settings!r}\n")

    def beside(self, path: str) -> None:
        """Let the commands see what is installed in a directory, too."""
        known = self.environment.get("PYTHONPATH")
        self.environment["PYTHONPATH"] = f"{known}:{path}" if known else path

    def start(self, *arguments: str, script: str = "", **extra: Any) -> subprocess.Popen[str]:
        """Start the command, after a program that is run in its process first."""
        *python, command = STATSCACHE
        return subprocess.Popen(
            [*python, f"{script}\n{command}", *arguments],
            cwd=self.directory,
            env=self.environment,
            text=True,
            preexec_fn=heed_interrupts,
            **extra,
        )

    def run(self, *arguments: str, script: str = "") -> tuple[int, str, str]:
        """Return the command's exit code and what it wrote on standard output and standard error.

        :param script: is run in its process first
        """
        process = self.start(*arguments, script=script, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, errors = process.communicate(timeout=self.patience)
        return process.returncode, output, errors

    def answer(self, *arguments: str) -> str:
        """Return what the command writes when all is well."""
        code, output, errors = self.run(*arguments)
        assert (code, errors) == (0, ""), errors
        return output
