"""The processes of the demo: a daemon and the HTTP API, with a configuration that other terminals can use, too."""

from __future__ import annotations

import os
import random
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from statscache.database import embedded
from statscache.demo.publisher import CONFIG, Listener
from statscache.settings import URI_VARIABLE

SERVE = "from statscache.cli import main; main()"
#: What the HTTP API has to say, in the demo's directory.
SERVE_LOG = "serve.log"
#: The port of the HTTP API, unless something else listens there.
PORT = 8080
#: How long in seconds a process may take to stop.
STOP = 15.0
#: Where Linux says which ports it gives to connections, and from which on it usually does.
GIVEN, USUALLY = Path("/proc/sys/net/ipv4/ip_local_port_range"), 32_768
#: So many ports, from this one on, are tried at most.
LOWEST, TRIES = 10_000, 100


class Processes:
    """Starts the demo's processes, each in a session of its own, so that Ctrl-C does not reach them.

    :param directory: where the database, the configuration and the logs are kept
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.data = directory / "data"
        self._running: list[subprocess.Popen[bytes]] = []

    @property
    def activate(self) -> str:
        """The line that makes all commands of a shell reach the demo."""
        return f". {shlex.quote(str(self._directory / 'activate'))}"

    def start_daemon(self, daemon: Listener) -> subprocess.Popen[bytes]:
        """Start a daemon, and write what other terminals need to reach it."""
        config = self._directory / CONFIG
        config.parent.mkdir(exist_ok=True)
        config.write_text(f"config = {self._config(daemon.settings)!r}\n", encoding="utf-8")
        (self._directory / "activate").write_text(self._activation(), encoding="utf-8")
        with (self._directory / daemon.log).open("wb") as log:
            return self._start(daemon.program, "", stdout=log, stderr=log)

    def start_api(self) -> None:
        """Start the HTTP API."""
        (self._directory / SERVE_LOG).unlink(missing_ok=True)  # what an earlier demo has said
        self._api = self._serve(PORT if _is_free(PORT) else 0)

    def api_url(self) -> str:
        """Return where the HTTP API is to be found once it is, or nothing if it does not run.

        Another program may have taken the port since it was seen to be free: then any other port is good.
        """
        url = _first_line(self._api)
        if not url:
            self._api.wait()  # it has closed its output, and is to leave no zombie
            self._api = self._serve(0)
            url = _first_line(self._api)
        return url

    def stop(self) -> None:
        """End all of them, the last one first."""
        for process in reversed(self._running):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()
        embedded.forget_the_dead(str(self.data))  # one that was killed holds the server

    @property
    def _uri(self) -> str:
        return f"embedded:{self.data}"

    def _serve(self, port: int) -> subprocess.Popen[bytes]:
        arguments = [SERVE, "serve", "--listen", f"127.0.0.1:{port}"]
        with (self._directory / SERVE_LOG).open("ab") as log:
            return self._start(arguments, self._uri, stdout=subprocess.PIPE, stderr=log)

    def _start(self, arguments: Sequence[str], uri: str, **outputs: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", *arguments],
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | {URI_VARIABLE: uri},
            **outputs,
        )
        self._running.append(process)
        return process

    def _config(self, bus: Mapping[str, Any]) -> dict[str, Any]:
        handler = {"class": "logging.StreamHandler"}
        return {
            **bus,
            "environment": "prod",
            "statscache.monitoring.address": f"127.0.0.1:{free_port()}",
            "statscache.web.address": "127.0.0.1:0",
            "statscache.sqlalchemy.uri": self._uri,
            "statscache.spool.directory": str(self._directory / "spool"),
            "logging": {
                "version": 1,
                "handlers": {"log": handler},
                "root": {"level": "INFO", "handlers": ["log"]},
            },
        }

    def _activation(self) -> str:
        programs = Path(sys.executable).parent
        return (
            "# Lets all commands of this shell reach the demo.\n"
            f'export PATH={shlex.quote(str(programs))}:"$PATH"\n'
            f"export {URI_VARIABLE}={shlex.quote(self._uri)}\n"
            f"cd {shlex.quote(str(self._directory))}  # where the demo's fedmsg.d is\n"
        )


def _first_line(process: subprocess.Popen[bytes]) -> str:
    """Return what a process says first on its standard output, or nothing if it ends without a word."""
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


def free_port() -> int:
    """Return a port of this machine at which nobody listens.

    If there is one, it is of those that no connection is given for its own end, which would keep a server from it.
    """
    for port in random.sample(_own_ports(), TRIES):
        if _is_free(port):
            return port
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        return int(reserved.getsockname()[1])


def _own_ports() -> Sequence[int]:
    """Return the ports below those that connections are given."""
    try:
        first = int(GIVEN.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        first = USUALLY
    return range(LOWEST, max(first, LOWEST + TRIES))


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
