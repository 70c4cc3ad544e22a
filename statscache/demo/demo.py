"""A hub on made-up traffic, to see counts grow: real sockets, a real hub process, a real PostgreSQL."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import zmq
from rich.console import Console
from rich.live import Live
from rich.table import Table
from sqlalchemy import Connection, Engine, column, func, select, table

from statscache.database import embedded
from statscache.database.engine import make_engine
from statscache.demo.traffic import traffic
from statscache.errors import Unusable, number_of

HUB = "from fedmsg.commands.hub import hub; hub()"
#: How long in seconds the hub may take to subscribe, to write the last messages, and to stop.
START, WRITE, STOP = 60.0, 15.0, 15.0
#: What is shown: one of the tables that are there by default.
DAYS = table("data_volume_by_category_1d", column("timestamp"), column("category"), column("volume"))


class Demo:
    """Sends made-up messages to a hub of its own.

    :param directory: where the database, the hub's configuration and its log are kept
    :param rate: messages a second in mean
    """

    def __init__(self, directory: Path, rate: float, seed: int) -> None:
        self._directory = directory.resolve()
        self._rate = rate
        self._seed = seed
        self._sent = 0
        self._before = 0
        self._ended = False

    def run(self, seconds: float | None, console: Console) -> None:
        """Run until Ctrl-C or a signal to end, or for so many seconds, and leave no process behind.

        :raises Unusable: if the hub does not start
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupt)
        self._directory.mkdir(parents=True, exist_ok=True)
        url = embedded.start(str(self._directory / "data"))
        engine = make_engine(url)
        publisher: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.XPUB)
        publisher.sndhwm = 0
        port = publisher.bind_to_random_port("tcp://127.0.0.1")
        hub = self._start_hub(port)
        try:
            with suppress(KeyboardInterrupt):
                self._play(publisher, hub, engine, seconds, console)
        finally:
            console.print("\nending …")
            self._end(publisher, hub, engine, console)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Note that the demo should end: raising here could leave the hub or the database running."""
        self._ended = True

    def _start_hub(self, port: int) -> subprocess.Popen[bytes]:
        config = self._directory / "hub.py"
        config.write_text(f"config = {self._config(port)!r}\n", encoding="utf-8")
        with (self._directory / "hub.log").open("wb") as log:
            # In a session of its own, so that Ctrl-C comes here alone and the hub is stopped last.
            return subprocess.Popen(
                [sys.executable, "-c", HUB, "--config-filename", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ | {"STATSCACHE_SQLALCHEMY_URI": ""},
            )

    def _config(self, port: int) -> dict[str, Any]:
        handler = {"class": "logging.StreamHandler"}
        return {
            "endpoints": {f"demo.{socket.gethostname().split('.')[0]}": [f"tcp://127.0.0.1:{port}"]},
            "environment": "prod",
            "zmq_enabled": True,
            "validate_signatures": False,
            "statscache.consumer.enabled": True,
            "statscache.monitoring.address": "127.0.0.1:0",
            "statscache.sqlalchemy.uri": f"embedded:{self._directory / 'data'}",
            "statscache.spool.directory": str(self._directory / "spool"),
            "logging": {
                "version": 1,
                "handlers": {"log": handler},
                "root": {"level": "INFO", "handlers": ["log"]},
            },
        }

    def _play(
        self,
        publisher: zmq.Socket[bytes],
        hub: subprocess.Popen[bytes],
        engine: Engine,
        seconds: float | None,
        console: Console,
    ) -> None:
        self._await_subscription(publisher, hub)
        self._await_tables(engine, hub)
        with engine.connect() as connection:
            self._before = counted(connection)
        psql = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        console.print(f'To look at the tables: psql "{psql}"\nCtrl-C ends the demo.\n', soft_wrap=True)
        deadline = float("inf") if seconds is None else time.monotonic() + seconds
        with Live(console=console, auto_refresh=False) as live:
            for _ in self._send(publisher, deadline):
                self._check(hub)
                with engine.connect() as connection:
                    live.update(self._picture(connection), refresh=True)

    def _await_subscription(self, publisher: zmq.Socket[bytes], hub: subprocess.Popen[bytes]) -> None:
        """Wait until the hub listens: what is sent before is lost."""
        deadline = time.monotonic() + START
        while not publisher.poll(200):
            self._check(hub, deadline)
        publisher.recv()

    def _await_tables(self, engine: Engine, hub: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START
        while b"statscache is running" not in (self._directory / "hub.log").read_bytes():
            self._check(hub, deadline)
            time.sleep(0.1)

    def _check(self, hub: subprocess.Popen[bytes], deadline: float = float("inf")) -> None:
        if self._ended:
            raise KeyboardInterrupt
        if hub.poll() is not None or time.monotonic() > deadline:
            raise Unusable(f"the hub has ended or does not start: see {self._directory / 'hub.log'}")

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

    def _picture(self, connection: Connection) -> Table:
        picture = Table(box=None, header_style="bold", pad_edge=False, title_justify="left")
        picture.title = (
            f"{number_of(self._sent, 'message')} sent, {counted(connection) - self._before} counted"
        )
        picture.add_column("category")
        picture.add_column("today", justify="right")
        picture.add_column("")
        rows = top_categories(connection)
        for category, volume in rows:
            picture.add_row(category, str(volume), "█" * max(1, round(40 * volume / rows[0][1])))
        return picture

    def _end(
        self, publisher: zmq.Socket[bytes], hub: subprocess.Popen[bytes], engine: Engine, console: Console
    ) -> None:
        try:
            self._await_counts(engine, hub)
        finally:
            self._stop(hub)
            publisher.close(linger=0)
        console.print(f"\n{number_of(self._sent, 'message')} sent, {self._found(engine)} counted.")
        console.print(
            f"The tables are kept; to look at them later:\n"
            f'  psql "$(STATSCACHE_SQLALCHEMY_URI=embedded:{self._directory / "data"} {_command()} uri)"',
            soft_wrap=True,
        )
        engine.dispose()

    def _await_counts(self, engine: Engine, hub: subprocess.Popen[bytes]) -> None:
        """Wait until all that was sent is counted, or nothing more is."""
        most, deadline = -1, time.monotonic() + WRITE
        while hub.poll() is None and time.monotonic() < deadline:
            found = self._found(engine)
            if found >= self._sent:
                return
            if found > most:
                most, deadline = found, time.monotonic() + WRITE
            time.sleep(0.1)

    def _found(self, engine: Engine) -> int:
        if not self._sent:
            return 0  # the tables may not be there yet
        with engine.connect() as connection:
            return counted(connection) - self._before

    def _stop(self, hub: subprocess.Popen[bytes]) -> None:
        hub.send_signal(signal.SIGTERM)
        try:
            hub.wait(STOP)
        except subprocess.TimeoutExpired:
            hub.kill()
            hub.wait()
        embedded.forget_the_dead(str(self._directory / "data"))  # a hub that was killed holds the server


def counted(connection: Connection) -> int:
    """Return how many messages all windows hold."""
    return int(connection.scalar(select(func.coalesce(func.sum(DAYS.c.volume), 0))) or 0)


def top_categories(connection: Connection) -> list[tuple[str, int]]:
    """Return the ten greatest categories of today in UTC, with their volumes."""
    newest = select(func.max(DAYS.c.timestamp)).scalar_subquery()
    query = select(DAYS.c.category, DAYS.c.volume).where(DAYS.c.timestamp == newest)
    return [(row[0], row[1]) for row in connection.execute(query.order_by(DAYS.c.volume.desc()).limit(10))]


def _command() -> str:
    """Return how the command is called from here."""
    called = Path(sys.argv[0])
    return str(called) if called.name == "statscache" and shutil.which("statscache") is None else "statscache"
