"""A hub on made-up traffic, to see counts grow: real sockets, a real hub process, a real PostgreSQL."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType

import zmq
from rich.console import Console
from rich.live import Live
from sqlalchemy import Engine

from statscache.database import embedded
from statscache.database.engine import make_engine
from statscache.demo.picture import picture, volumes
from statscache.demo.processes import Processes
from statscache.demo.traffic import traffic
from statscache.errors import Unusable, number_of

#: How long in seconds the hub may take to subscribe, and to write the last messages.
START, WRITE = 60.0, 15.0


class Demo:
    """Sends made-up messages to a hub of its own.

    :param directory: where the database, the hub's configuration and its log are kept
    :param rate: messages a second in mean
    """

    def __init__(self, directory: Path, rate: float, seed: int) -> None:
        self._directory = directory.resolve()
        self._processes = Processes(self._directory)
        self._rate = rate
        self._seed = seed
        self._sent = 0
        self._before: Counter[str] = Counter()
        self._ended = False

    def run(self, seconds: float | None, console: Console) -> None:
        """Run until Ctrl-C or a signal to end, or for so many seconds, and leave no process behind.

        :raises Unusable: if the hub does not start
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupt)
        self._directory.mkdir(parents=True, exist_ok=True)
        console.print("starting PostgreSQL, a hub and the HTTP API …")
        url = embedded.start(str(self._processes.data))
        engine = make_engine(url)
        publisher: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.XPUB)
        publisher.sndhwm = 0
        port = publisher.bind_to_random_port("tcp://127.0.0.1")
        hub = self._processes.start_hub(port)
        try:
            with suppress(KeyboardInterrupt):
                self._play(publisher, hub, engine, seconds, console)
        finally:
            console.print("\nending …")
            self._end(publisher, hub, engine, console)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Note that the demo should end: raising here could leave the hub or the database running."""
        self._ended = True

    def _play(
        self,
        publisher: zmq.Socket[bytes],
        hub: subprocess.Popen[bytes],
        engine: Engine,
        seconds: float | None,
        console: Console,
    ) -> None:
        api = self._processes.start_api()
        self._await_subscription(publisher, hub)
        self._await_tables(hub)
        with engine.connect() as connection:
            self._before = volumes(connection)
        self._introduce(api, console)
        deadline = float("inf") if seconds is None else time.monotonic() + seconds
        with Live(console=console, auto_refresh=False) as live:
            for _ in self._send(publisher, deadline):
                self._check(hub)
                live.update(picture(self._sent, self._counted(engine)), refresh=True)

    def _introduce(self, api: subprocess.Popen[bytes], console: Console) -> None:
        """Print how to look at it. An address has a line of its own, which breaks none that a terminal can hold."""
        assert api.stdout is not None
        url = api.stdout.readline().decode().strip()
        lines = [
            "Look at it in a browser:",
            f"  {url or 'not here: the HTTP API does not run, serve.log says why'}",
            "Or paste this line into another terminal:",
            f"  {self._processes.activate}",
            'Then try there: statscache status, statscache top, psql "$(statscache uri)"',
            "Ctrl-C ends the demo.",
        ]
        console.print("\n", "\n".join(lines), "\n", sep="", soft_wrap=True)

    def _await_subscription(self, publisher: zmq.Socket[bytes], hub: subprocess.Popen[bytes]) -> None:
        """Wait until the hub listens: what is sent before is lost."""
        deadline = time.monotonic() + START
        while not publisher.poll(200):
            self._check(hub, deadline)
        publisher.recv()

    def _await_tables(self, hub: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START
        while b"statscache is running" not in self._processes.log.read_bytes():
            self._check(hub, deadline)
            time.sleep(0.1)

    def _check(self, hub: subprocess.Popen[bytes], deadline: float = float("inf")) -> None:
        if self._ended:
            raise KeyboardInterrupt
        if hub.poll() is not None or time.monotonic() > deadline:
            raise Unusable(f"the hub has ended or does not start: see {self._processes.log}")

    def _send(self, publisher: zmq.Socket[bytes], deadline: float) -> Iterator[None]:
        """Send each message at its time; yield about once a second."""
        start = time.time()
        shown = 0.0
        for message in traffic(self._seed, start, self._rate):
            while True:
                if self._ended or time.monotonic() > deadline:
                    return
                if time.monotonic() - shown > 1:
                    shown = time.monotonic()
                    yield
                wait = message["timestamp"] - time.time()
                if wait <= 0:
                    break
                time.sleep(min(wait, 0.2))
            publisher.send_multipart([message["topic"].encode(), json.dumps(message).encode()])
            self._sent += 1

    def _end(
        self, publisher: zmq.Socket[bytes], hub: subprocess.Popen[bytes], engine: Engine, console: Console
    ) -> None:
        try:
            self._await_counts(engine, hub)
        finally:
            self._processes.stop()
            publisher.close(linger=0)
        console.print(
            f"\n{number_of(self._sent, 'message')} sent, {self._counted(engine).total()} counted.\n"
            "The tables are kept. To look at them later:\n"
            f"  {self._processes.activate}\n"
            '  psql "$(statscache uri)"',
            soft_wrap=True,
        )
        engine.dispose()

    def _await_counts(self, engine: Engine, hub: subprocess.Popen[bytes]) -> None:
        """Wait until all that was sent is counted, or nothing more is."""
        most, deadline = -1, time.monotonic() + WRITE
        while hub.poll() is None and time.monotonic() < deadline:
            found = self._counted(engine).total()
            if found >= self._sent:
                return
            if found > most:
                most, deadline = found, time.monotonic() + WRITE
            time.sleep(0.1)

    def _counted(self, engine: Engine) -> Counter[str]:
        """Return what has been counted of each category since the demo began."""
        if not self._sent:
            return Counter()  # the tables may not be there yet
        with engine.connect() as connection:
            return volumes(connection) - self._before
