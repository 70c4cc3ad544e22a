"""A RabbitMQ of one's own: on free ports of this machine alone, with its files in one directory, gone at the end."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pika

from statscache.demo.processes import free_port
from statscache.errors import Unusable

#: Debian's and Fedora's packages have one of the same name in /usr/sbin, which runs this one as another user.
SERVER = shutil.which("rabbitmq-server", path="/usr/lib/rabbitmq/bin") or shutil.which("rabbitmq-server")
EPMD = shutil.which("epmd")
#: How long in seconds epmd may take until it listens: a broker ends that does not find it.
EPMD_START = 10.0
#: Of one thread, so that it leaves the machine to others. Its epmd is one of its own, and nobody else's is used.
ERLANG = "+S 1:1 +SDio 1 +A 4 -start_epmd false -kernel inet_dist_use_interface {127,0,0,1}"
# It logs each try to connect, in many lines.
logging.getLogger("pika").setLevel(logging.CRITICAL)


class RabbitMQ:
    """A broker. It runs from `start` on, and must be closed.

    :param directory: for its files, which is there
    :param log: the file for what it writes
    :param settings: more lines of its rabbitmq.conf
    :param plugins: those of its own that it is to have
    """

    def __init__(
        self, directory: Path, log: Path, settings: Iterable[str] = (), plugins: Iterable[str] = ()
    ) -> None:
        self.port, distribution, epmd = (free_port() for _ in range(3))
        self.log = log
        self._server: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        self._epmd_port = epmd
        lines = [f"listeners.tcp.1 = 127.0.0.1:{self.port}", "log.file = false", "log.console = true"]
        lines += ["log.console.level = warning", "disk_free_limit.absolute = 50MB", *settings]
        (directory / "rabbitmq.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (directory / "enabled_plugins").write_text(f"[{','.join(plugins)}].", encoding="utf-8")
        self.environment = {
            **os.environ,
            "HOME": str(directory),
            "RABBITMQ_NODENAME": f"statscache-{self.port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG,
            "ERL_EPMD_PORT": str(epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def start(self) -> None:
        """Start it, which takes some seconds until it answers; also once more, after it was killed."""
        assert SERVER
        assert EPMD
        if self._epmd is None:
            self._epmd = self._run([EPMD, "-port", str(self._epmd_port)], subprocess.DEVNULL)
            _wait_for(self._epmd, self._epmd_port)
        with self.log.open("ab") as log:
            self._server = self._run([SERVER], log)

    def _run(self, command: list[str], output: Any) -> subprocess.Popen[bytes]:
        """Start a process in a session of its own, so that Ctrl-C does not reach it."""
        return subprocess.Popen(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    @property
    def answers(self) -> bool:
        """Whether it can be connected to.

        :raises Unusable: if it has ended
        """
        if self._server is None or self._server.poll() is not None:
            raise Unusable(f"RabbitMQ has ended, or does not start: see {self.log}")
        try:
            self.connect().close()
        except pika.exceptions.AMQPError:
            return False
        return True

    @property
    def url(self) -> str:
        """Where it listens, as amqp_url has it."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def connect(self, **options: Any) -> pika.BlockingConnection:
        """Connect to it.

        :param options: others than usual, by the names of pika's parameters
        :raises AMQPError: if it does not answer
        """
        parameters = pika.URLParameters(self.url)
        parameters.connection_attempts, parameters.blocked_connection_timeout = 1, 30
        for name, value in options.items():
            setattr(parameters, name, value)
        return pika.BlockingConnection(parameters)

    def kill(self) -> None:
        """End it at once, with what it has not written."""
        self.signal(signal.SIGKILL)
        if self._server is not None:
            self._server.wait()

    def signal(self, number: int) -> None:
        """Send a signal to all of its processes."""
        if self._server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._server.pid, number)

    def close(self) -> None:
        """End it for good, with its epmd. Its files stay."""
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until a process listens, or has ended."""
    deadline = time.monotonic() + EPMD_START
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
