"""Hubs and publishers as processes."""

from __future__ import annotations

import os
import subprocess
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.variables import COUNT, FILE, RUNNING
from tests.support.hub import Hub, wait_for

ROOT = Path(__file__).parents[1]
#: How long in seconds anything may take before it is given up.
PATIENCE = 1800.0


class Publisher:
    """A process that publishes a file of messages, and drops none.

    :param rate: messages a second; 0 for as fast as it goes
    """

    def __init__(self, directory: Path, messages: Path, rate: float = 0.0) -> None:
        self._times = directory / "times"
        command = [sys.executable, "-m", "benchmarks.publisher", str(messages), str(rate), str(self._times)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.endpoint = self._line()

    def wait_for_subscriber(self) -> None:
        """Wait until a hub listens."""
        self._line()

    def start(self) -> None:
        """Let it begin to send."""
        self._tell("go")

    def stop(self) -> None:
        """Let it send no more, if it is paced and has not sent all."""
        self._tell("stop")

    def times(self) -> array[float]:
        """Wait until all is sent, and return when: each message if it is paced, else the first and the last."""
        self._line()
        times: array[float] = array("d")
        times.frombytes(self._times.read_bytes())
        return times

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"the publisher ended with {self._process.wait()}")
        return line


class Control(Hub):
    """A hub with the consumer that does nothing.

    :param count: how many messages it is to get
    """

    def __init__(self, directory: Path, publisher: Publisher, count: int, **others: str) -> None:
        self._end = directory / "end"
        settings = {"statscache.consumer.enabled": False, "benchmarks.nothing.enabled": True}
        entries = {"moksha.consumer": "nothing = benchmarks.nothing:Nothing"}
        environment = {COUNT: str(count), FILE: str(self._end), **path_with(directory, entries), **others}
        super().__init__(directory, publisher, settings, **environment)  # type: ignore[arg-type]  # as good as a Bus

    def _runs(self) -> bool:
        assert self.process.poll() is None, self.log
        return RUNNING in self.log

    def wait_for_end(self) -> float:
        """Wait until it has got everything; return when that was, in seconds since 1970."""
        return float(wait_for("the control", self._read_end, PATIENCE))

    def _read_end(self) -> str:
        assert self.process.poll() is None, self.log
        return self._end.read_text() if self._end.exists() else ""


def path_with(directory: Path, entries: dict[str, str]) -> dict[str, str]:
    """Return the environment in which a distribution with these entry points is installed.

    :param entries: a line for each group
    """
    place = directory / "distribution"
    info = place / "statscache_benchmarks-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: statscache-benchmarks\nVersion: 1\n")
    groups = (f"[{group}]\n{line}\n" for group, line in entries.items())
    (info / "entry_points.txt").write_text("\n".join(groups))
    return {"PYTHONPATH": os.pathsep.join([str(place), str(ROOT)])}


@contextmanager
def counting_hub(
    directory: Path, publisher: Publisher, settings: dict[str, Any], **environment: str
) -> Iterator[Hub]:
    """Run a hub with statscache, which listens when this is entered."""
    settings = {"statscache.spool.directory": str(directory / "spool"), **settings}
    hub = Hub(directory, publisher, settings, **environment)  # type: ignore[arg-type]  # as good as a Bus
    try:
        hub.wait_until_running()
        yield hub
        hub.end(patience=PATIENCE)
    finally:
        hub.kill()


@contextmanager
def control_hub(directory: Path, publisher: Publisher, count: int, **environment: str) -> Iterator[Control]:
    """Run a hub that does nothing, or what the environment says, which listens when this is entered."""
    hub = Control(directory, publisher, count, **environment)
    try:
        hub.wait_until_running()
        yield hub
    finally:
        hub.kill()
