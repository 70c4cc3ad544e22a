"""A daemon on made-up traffic, to see counts grow: real sockets, a real daemon process, a real PostgreSQL."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.live import Live
from sqlalchemy import Engine

from statscache.database import embedded
from statscache.database.engine import make_engine
from statscache.demo.picture import picture, volumes
from statscache.demo.processes import PAST_LOG, SERVE_LOG, Processes
from statscache.demo.publisher import Publisher
from statscache.demo.traffic import traffic
from statscache.errors import Unusable, number_of

#: How long in seconds the daemon may take to listen, and to write the last messages.
START, WRITE = 60.0, 15.0


class Demo:
    """Sends made-up messages to a daemon of its own.

    :param directory: where the database, the daemon's configuration and its log are kept
    :param publisher: sends on the bus that the daemon listens to
    :param rate: messages a second in mean
    """

    def __init__(self, directory: Path, publisher: Publisher, rate: float, seed: int) -> None:
        self._directory = directory
        self._processes = Processes(directory)
        self._publisher = publisher
        self._daemon: subprocess.Popen[bytes] | None = None
        self._rate = rate
        self._seed = seed
        self._sent = 0
        self._before: Counter[str] = Counter()
        self._ended = False

    def run(self, seconds: float | None, console: Console) -> None:
        """Run until Ctrl-C or a signal to end, or for so many seconds, and leave no process behind.

        :raises Unusable: if the daemon or what it needs does not start
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupt)
        self._directory.mkdir(parents=True, exist_ok=True)
        console.print("Look at it in a browser:", f"  {self._processes.url}", sep="\n", soft_wrap=True)
        console.print(f"starting PostgreSQL, {self._publisher.starts}, a made-up week and the page …")
        url = embedded.start(str(self._processes.data))
        engine = make_engine(url)
        try:
            with suppress(KeyboardInterrupt):
                self._play(engine, seconds, console)
        finally:
            console.print("\nending …")
            self._end(engine, console)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Note that the demo should end: raising here could leave a process running."""
        self._ended = True

    def _play(self, engine: Engine, seconds: float | None, console: Console) -> None:
        self._listener = self._publisher.start(self._check)
        self._daemon = self._processes.start_daemon(self._listener)
        self._processes.start_server()
        self._processes.start_past(self._seed)
        self._await_daemon()
        if not self._processes.end_past():
            console.print(f"the made-up week is not counted: {self._directory / PAST_LOG} says why")
        with engine.connect() as connection:
            self._before = volumes(connection)
        self._introduce(console)
        deadline = float("inf") if seconds is None else time.monotonic() + seconds
        with Live(console=console, auto_refresh=False) as live:
            for _ in self._send(deadline):
                self._check()
                live.update(picture(self._sent, self._counted(engine)), refresh=True)

    def _introduce(self, console: Console) -> None:
        """Print how to look at it. An address has a line of its own, which breaks none that a terminal can hold."""
        if not self._processes.server_answers():
            console.print(f"the page does not run: {self._directory / SERVE_LOG} says why")
        lines = [
            "Or paste this line into another terminal:",
            f"  {self._processes.activate}",
            'Then try there: statscache status, statscache top, psql "$(statscache uri)"',
            "Ctrl-C ends the demo.",
        ]
        console.print("\n", "\n".join(lines), "\n", sep="", soft_wrap=True)

    def _await_daemon(self) -> None:
        """Wait until the daemon listens, as what is sent before is lost, and has made its tables."""
        deadline = time.monotonic() + START
        while not self._publisher.is_heard():
            self._check(deadline)
        while b"statscache is running" not in self._log.read_bytes():
            self._check(deadline)
            time.sleep(0.1)

    @property
    def _log(self) -> Path:
        return self._directory / self._listener.log

    def _check(self, deadline: float = float("inf")) -> None:
        if self._ended:
            raise KeyboardInterrupt
        if self._daemon and (self._daemon.poll() is not None or time.monotonic() > deadline):
            raise Unusable(f"{self._listener.name} has ended or does not start: see {self._log}")

    def _send(self, deadline: float) -> Iterator[None]:
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
            self._publisher.send(message)
            self._sent += 1

    def _end(self, engine: Engine, console: Console) -> None:
        try:
            self._await_counts(engine)
        finally:
            self._processes.stop()
            self._publisher.stop()
        console.print(
            f"\n{number_of(self._sent, 'message')} sent, {self._counted(engine).total()} counted.\n"
            "The tables are kept. To look at them later:\n"
            f"  {self._processes.activate}\n"
            '  psql "$(statscache uri)"',
            soft_wrap=True,
        )
        engine.dispose()

    def _await_counts(self, engine: Engine) -> None:
        """Wait until all that was sent is counted, or nothing more is."""
        most, deadline = -1, time.monotonic() + WRITE
        while self._daemon and self._daemon.poll() is None and time.monotonic() < deadline:
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
