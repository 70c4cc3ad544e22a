"""A real `statscache consume` process on a real RabbitMQ."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.hub import UNSET, Hub, wait_for

SCRIPT = "import sys; from statscache.cli import main; sys.argv = ['statscache', 'consume']; main()"


def fedora_messaging(url: str, queue: str = "statscache", exchange: str = "amq.topic", more: str = "") -> str:
    """Return a configuration of fedora-messaging with a durable quorum queue."""
    return f"""amqp_url = "{url}"
{more}
[queues.{queue}]
durable = true
auto_delete = false
exclusive = false
arguments = {{x-queue-type = "quorum"}}
[[bindings]]
queue = "{queue}"
exchange = "{exchange}"
routing_keys = ["#"]
"""


def shared_out(url: str, exchange: str) -> str:
    """Return a configuration of fedora-messaging for daemons that share what comes by an exchange."""
    return f"""amqp_url = "{url}"
[[bindings]]
exchange = "{exchange}"
routing_keys = ["#"]
[exchanges]
"""


class Consumer(Hub):
    """A process that consumes, in a directory with its configuration.

    :param messaging: the configuration of fedora-messaging
    """

    script = SCRIPT

    def __init__(
        self, directory: Path, messaging: str, settings: Mapping[str, Any], **environment: str
    ) -> None:
        toml = directory / "fedora-messaging.toml"
        toml.write_text(messaging, encoding="utf-8")
        config = {
            "statscache.amqp.config": str(toml),
            "statscache.monitoring.address": "127.0.0.1:0",
            **settings,
        }
        config = {key: value for key, value in config.items() if value is not UNSET}
        self.directory = directory
        (directory / "fedmsg.d").mkdir()
        (directory / "fedmsg.d" / "statscache.py").write_text(f"config = {config!r}\n", encoding="utf-8")
        self._log = directory / "consume.log"
        self.started = time.monotonic()
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", self.script],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "STATSCACHE_SQLALCHEMY_URI": "", **environment},
            )

    def wait_until_running(self) -> float:
        """Wait until it consumes; return how many seconds it took from its start."""
        wait_for("the process to run", self._runs)
        wait_for("the queue to be consumed", lambda: "connected to " in self.log)
        return time.monotonic() - self.started
