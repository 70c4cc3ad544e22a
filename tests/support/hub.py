"""A real fedmsg-hub process on a real ZeroMQ socket."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import zmq
from sqlalchemy import Engine, text

PATIENCE = 30.0
#: Stands for the value of a setting that is not to be there.
UNSET = object()
SCRIPT = "from fedmsg.commands.hub import hub; hub()"


def wait_for(what: str, condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Return the condition's value as soon as it is true."""
    deadline = time.monotonic() + patience
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience:.0f} s in vain for {what}")
        time.sleep(0.02)
    return value


class Bus:
    """A publisher that drops nothing and knows when somebody has subscribed; at a port of its own, if none is given."""

    def __init__(self, endpoint: str = "tcp://127.0.0.1:*") -> None:
        self._socket = zmq.Context.instance().socket(zmq.XPUB)
        self._socket.sndhwm = 0
        self._socket.bind(endpoint)
        self.endpoint = self._socket.last_endpoint.decode()

    def wait_for_subscriber(self) -> None:
        """Wait until a hub listens: what is sent before is lost."""
        wait_for("a subscriber", lambda: self._socket.poll(50) and self._socket.recv()[0])

    def send(self, body: dict[str, Any]) -> None:
        """Publish a message."""
        self.send_frames([body["topic"].encode(), json.dumps(body).encode()])

    def send_all(self, bodies: Iterable[dict[str, Any]]) -> None:
        """Publish messages."""
        for body in bodies:
            self.send(body)

    def send_frames(self, frames: list[bytes]) -> None:
        """Publish frames as they are."""
        self._socket.send_multipart(frames)

    def close(self) -> None:
        """Send no more, nor what is not yet on its way."""
        self._socket.close(linger=0)


class Hub:
    """A hub process whose configuration says no more than it must.

    :param prefix: a command that runs the hub in another place, such as `env -u HOME`
    """

    script = SCRIPT
    stdin = subprocess.DEVNULL

    def __init__(
        self,
        directory: Path,
        bus: Bus,
        settings: dict[str, Any],
        prefix: Sequence[str] = (),
        **environment: str,
    ) -> None:
        config = {
            "endpoints": {"bus.test": [bus.endpoint]},
            "zmq_enabled": True,
            "validate_signatures": False,
            "statscache.consumer.enabled": True,
            "statscache.monitoring.address": "127.0.0.1:0",
            "logging": {
                "version": 1,
                "disable_existing_loggers": False,
                "handlers": {"console": {"class": "logging.StreamHandler"}},
                "root": {"level": "INFO", "handlers": ["console"]},
            },
            **settings,
        }
        config = {key: value for key, value in config.items() if value is not UNSET}
        (directory / "hub.py").write_text(f"import datetime\nconfig = {config!r}\n", encoding="utf-8")
        self._bus = bus
        self._log = directory / "hub.log"
        self.started = time.monotonic()
        #: How long it took from its start until it was subscribed and flushed.
        self.seconds_to_run = math.inf
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-c", self.script, "--config-filename", str(directory / "hub.py")],
                stdin=self.stdin,
                stdout=log,
                stderr=log,
                env={**os.environ, "STATSCACHE_SQLALCHEMY_URI": "", **environment},
            )

    @property
    def log(self) -> str:
        """What the hub has written so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait_until_running(self) -> float:
        """Wait until the hub is subscribed and flushes; return how many seconds it took from its start."""
        self._bus.wait_for_subscriber()
        wait_for("the hub to run", self._runs)
        self.seconds_to_run = time.monotonic() - self.started
        return self.seconds_to_run

    def _runs(self) -> bool:
        assert self.process.poll() is None, self.log
        return "statscache is running" in self.log

    def end(self, number: int = signal.SIGTERM, patience: float = 10.0) -> tuple[int, float]:
        """Send a signal; return the exit code and how many seconds it took."""
        before = time.monotonic()
        self.process.send_signal(number)
        return self.wait(patience), time.monotonic() - before

    def wait(self, patience: float = PATIENCE) -> int:
        """Return the exit code, once there is one."""
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the hub does not end:\n{self.log[-4000:]}") from None

    def kill(self) -> None:
        """End the process if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()


def ordinary(number: int, when: float = 1_700_000_000.0) -> dict[str, Any]:
    """Return an ordinary message."""
    topic = "org.fedoraproject.prod.bodhi.update.comment"
    return {"topic": topic, "msg": {"n": number}, "msg_id": f"2023-{number}", "timestamp": when, "i": number}


def volume(engine: Engine, table: str = "data_volume_1m", where: str = "true") -> int:
    """Return how many messages a table has counted."""
    with engine.connect() as connection:
        return int(connection.scalar(text(f"SELECT coalesce(sum(volume), 0) FROM {table} WHERE {where}")))


def assert_ends_with_one_line(hub: Hub, named: str) -> None:
    """Wait for the hub's end and look at the last thing that it says."""
    assert hub.wait() == 1
    last = hub.log.strip().splitlines()[-1]
    assert last.startswith("statscache: ")
    assert named in last
    assert "Traceback" not in hub.log
    assert "secret" not in hub.log
