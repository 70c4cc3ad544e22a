"""A real `statscache demo`."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
import uuid
from pathlib import Path

from tests.support.commands import MARK, left_over
from tests.support.place import STATSCACHE, Place

#: How long in seconds a demo may take until it sends messages, on a machine that has much else to do.
START = 300.0


def statscache(arguments: str) -> str:
    """Return a command line."""
    return f"{shlex.join(STATSCACHE)} {arguments}"


class Demo(Place):
    """A demo that runs beside the others.

    :param script: a program that is run in its process first
    """

    def __init__(self, directory: Path, *arguments: str, script: str = "") -> None:
        super().__init__(directory)
        self.environment[MARK] = uuid.uuid4().hex
        self._output = (directory / "output.txt").open("w+")
        self.process = self.start(
            *("demo", "--directory", str(directory / "demo"), *arguments),
            script=script,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        """What it has written so far."""
        return (self.directory / "output.txt").read_text(encoding="utf-8")

    def wait_until_it_plays(self) -> None:
        """Wait until it sends messages, which takes its database, its broker and its daemon."""
        until = time.monotonic() + START
        while "Ctrl-C ends the demo" not in self.output:
            assert self.process.poll() is None, f"it has ended:\n{self.output}"
            assert time.monotonic() < until, f"after {START:.0f} s:\n{self.output}"
            time.sleep(0.1)

    def end(self, patience: float = 60.0) -> tuple[int, int, int]:
        """Return the exit code, how many messages were sent and how many counted."""
        code = self.process.wait(patience)
        figures = re.search(r"^(\d+) messages sent, (\d+) counted\.$", self.output, re.MULTILINE)
        assert figures, self.output
        return code, int(figures[1]), int(figures[2])

    def close(self) -> None:
        """End what should have ended."""
        for process in left_over(self):
            process.kill()
        self.process.wait()
        self._output.close()


def in_shell(place: Place, *lines: str) -> str:
    """Return what the lines of a shell print, in another directory than the demo's."""
    ended = subprocess.run(
        ["sh", "-e", "-c", "\n".join(lines)],
        cwd=place.directory,
        env=place.environment,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    return ended.stdout.strip()
