"""The processes of the demo: a daemon and the page's server, with a configuration that other terminals can use, too."""

from __future__ import annotations

import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from statscache.database import embedded
from statscache.demo.publisher import CONFIG, Listener
from statscache.errors import Unusable
from statscache.settings import URI_VARIABLE

SERVE = "from statscache.cli import main; main()"
PAST = "from statscache.demo.past import main; main()"
#: What the page's server has to say, in the demo's directory.
SERVE_LOG = "serve.log"
#: What is said while the made-up week is counted.
PAST_LOG = "past.log"
#: The port of the page, unless something else listens there.
PORT = 8080
#: How long in seconds a process may take to stop.
STOP = 15.0
#: The length of the made-up week, in seconds.
WEEK = 7 * 86_400
#: How long in seconds the made-up week may take to be counted.
PAST_PATIENCE = 60.0
#: Where Linux says which ports it gives to connections, and from which on it usually does.
GIVEN, USUALLY = Path("/proc/sys/net/ipv4/ip_local_port_range"), 32_768
#: So many ports, from this one on, are tried at most.
LOWEST, TRIES = 10_000, 100
#: So many may ask before the server answers.
QUEUE = 128


class Processes:
    """Starts the demo's processes, each in a session of its own, so that Ctrl-C does not reach them.

    :param directory: where the database, the configuration and the logs are kept
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.data = directory / "data"
        self._running: list[subprocess.Popen[bytes]] = []
        self._listening = _listening()
        #: Where the page is to be found once the server answers.
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/"

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

    def start_server(self) -> None:
        """Start what answers at `url`. It is given the socket, so that no other program can take the port meanwhile."""
        descriptor = self._listening.fileno()
        arguments = [SERVE, "serve", "--fd", str(descriptor)]
        with (self._directory / SERVE_LOG).open("wb") as log:
            self._server = self._start(
                arguments, self._uri, stdout=subprocess.PIPE, stderr=log, pass_fds=[descriptor]
            )
        self._listening.close()

    def server_answers(self) -> bool:
        """Return whether the server answers, once it does or has ended."""
        answers = bool(_first_line(self._server))
        if not answers:
            self._server.wait()  # it has closed its output, and is to leave no zombie
        return answers

    def start_past(self, seed: int) -> None:
        """Start to count a made-up week."""
        with (self._directory / PAST_LOG).open("wb") as log:
            self._past = self._start(
                [PAST, str(seed)], "", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )

    def end_past(self) -> bool:
        """Have the time up to now counted, too, and return whether that worked."""
        try:
            self._past.communicate(b"go on\n", PAST_PATIENCE)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self._past.kill()
        return self._past.wait() == 0

    def stop(self) -> None:
        """End all of them, the last one first."""
        for process in reversed(self._running):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()
        embedded.forget_the_dead(str(self.data))  # one that was killed holds the server

    @property
    def _uri(self) -> str:
        return f"embedded:{self.data}"

    def _start(self, arguments: Sequence[str], uri: str, **outputs: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", *arguments],
            cwd=self._directory,
            start_new_session=True,
            env=os.environ | {URI_VARIABLE: uri},
            **{"stdin": subprocess.DEVNULL, **outputs},
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
            # Who comes for the first time is known only if nothing is missing since the made-up week began.
            "statscache.consumer.epoch": datetime.fromtimestamp(int(time.time()) - WEEK, UTC).isoformat(),
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


def _listening() -> socket.socket:
    """Return a socket that listens at the usual port or, if that is taken, at any other."""
    for port in (PORT, 0):
        try:
            return socket.create_server(("127.0.0.1", port), backlog=QUEUE)
        except OSError:
            continue
    raise Unusable("nothing can listen on 127.0.0.1: end some of what runs on this machine")


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
