"""Runs a hub that logs what it accepts and can be told to die or freeze at a step; nothing of the product knows of it.

usage: python -m tests.system.torture.launcher --config-filename FILE

TORTURE_DIRECTORY is where the logs go, and where an order is read from: at the start, and at each SIGUSR1.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.system.torture.unreadable import UNREADABLE, fail_reading

ORDER = "order.json"
ACCEPTED, LOST = "accepted.log", "lost.log"
#: Short pauses, small batches and segments, so that much happens in little time.
SETTINGS = {
    "TimeZone": "UTC",
    "lock_timeout": "3s",
    "statement_timeout": "8s",
    "idle_in_transaction_session_timeout": "3s",
    "synchronous_commit": "on",
}
HASTE: dict[str, dict[str, Any]] = {
    "bus.watermark": {"SETTLE": 2.0},
    "counting.flusher": {"UPKEEP": 0.5},
    "counting.pause": {"LONGEST_PAUSE": 1.0},
    "spool.segments": {"SEGMENT": 1 << 18},
    "intake.backlog": {"MANY": 3_000},
    "store.quarantine": {"PAUSES": (timedelta(seconds=1),) * 5},
    "hosting.suspensions": {"SHORTEST": timedelta(seconds=1), "LONGEST": timedelta(seconds=4)},
    "database.engine": {"SETTINGS": SETTINGS},
}
#: The steps at which a daemon can be told to die: at each of these functions, before and after.
STEPS = {
    "cut": ("intake.accept", "Intake", "cut"),
    "write": ("counting.writer", "Writer", "write"),
    "enter": ("store.ledger", None, "enter"),
    "count": ("counting.update", "PluginUpdates", "count"),
    "update": ("counting.update", None, "update_table"),
    "quarantine": ("store.quarantine", None, "put"),
    "take": ("store.quarantine", None, "take"),
    "position": ("store.continuity", "Continuity", "write"),
    "written": ("intake.backlog", "Backlog", "written"),
    "release": ("spool.spool", "Spool", "release"),
    "segment": ("spool.segments", "Segments", "_begin"),
    "append": ("spool.spool", "Spool", "append"),
    "adopt": ("intake.backlog", "Backlog", "adopt"),
    "remove": ("spool.spool", "Spool", "remove"),
    "loss": ("spool.spool", "Spool", "lose"),
    "forget loss": ("spool.spool", "Spool", "forget_loss"),
}

#: What has a commit at which a daemon can be told to die, and that step's name.
COMMITS = {"write": "commit", "write_slice": "slice's commit"}


class Orders:
    """What the suite has told this process to do, and when."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / ORDER
        self._step = ""
        self._left = 0
        self._signal: int = signal.SIGKILL

    def read(self, *_: Any) -> None:
        """Read the order, if there is one."""
        if self._path.exists():
            order = json.loads(self._path.read_text())
            self._left, self._signal = order["n"], order["signal"]
            self._step = order["step"]
            self._path.unlink()

    def due(self, step: str) -> bool:
        """Return whether the order is to be carried out at this step."""
        if step != self._step:
            return False
        self._left -= 1
        return self._left <= 0

    def carry_out(self) -> None:
        """Die or freeze."""
        self._step = ""
        os.kill(os.getpid(), self._signal)

    def reach(self, step: str) -> None:
        """Die or freeze here if that is the order."""
        if self.due(step):
            self.carry_out()


def main() -> None:
    """Run the hub."""
    directory = Path(os.environ["TORTURE_DIRECTORY"])
    orders = Orders(directory)
    orders.read()
    signal.signal(signal.SIGUSR1, orders.read)
    log_intake(directory)
    arm(orders)
    fail_reading(directory / UNREADABLE)
    from fedmsg.commands.hub import hub

    hub()


def arm(orders: Orders) -> None:
    """Put the steps, and haste, into the product."""
    import statscache.daemon  # noqa: F401  and with it all the others

    for module, values in HASTE.items():
        vars(sys.modules[f"statscache.{module}"]).update(values)
    for step, (module, owner, name) in STEPS.items():
        home = sys.modules[f"statscache.{module}"]
        wrap(orders, step, getattr(home, owner) if owner else home, name)
    tear(orders)
    arm_commits(orders)


def wrap(orders: Orders, step: str, owner: Any, name: str) -> None:
    """Put a step before and after a function."""
    inner = getattr(owner, name)

    @functools.wraps(inner)
    def wrapped(*args: Any, **extra: Any) -> Any:
        orders.reach(f"before {step}")
        result = inner(*args, **extra)
        orders.reach(f"after {step}")
        return result

    setattr(owner, name, wrapped)


def tear(orders: Orders) -> None:
    """Let a record be torn: half of it is written, and the process is dead. The same for a spool that is removed."""
    from statscache.spool import layout, segments

    write, remove = segments.Segments._write, layout.remove

    def torn_write(self: Any, record: bytes) -> None:
        if orders.due("in append"):
            os.write(self._fd, record[: len(record) // 2])
            orders.carry_out()
        write(self, record)

    def torn_remove(directory: Path) -> None:
        if orders.due("in remove"):
            next(iter(Path(directory).iterdir())).unlink()
            orders.carry_out()
        remove(directory)

    segments.Segments._write = torn_write
    layout.remove = torn_remove


def arm_commits(orders: Orders) -> None:
    """Put steps around the commits of what writes, and around the lock that everything which counts takes."""
    from statscache.counting import writer
    from statscache.database import engine as db

    present = threading.local()
    make_engine, counting = db.make_engine, writer.counting

    def arm_writing(name: str, step: str) -> None:
        inner = getattr(writer.Writer, name)

        def armed(*args: Any) -> Any:
            present.step = step
            try:
                return inner(*args)
            finally:
                present.step = ""

        setattr(writer.Writer, name, armed)

    def armed_engine(url: str, *rest: Any) -> Any:
        engine = make_engine(url, *rest)
        engine.dialect.do_commit = armed_commit(engine.dialect.do_commit)
        return engine

    def armed_commit(commit: Callable[[Any], None]) -> Callable[[Any], None]:
        def do_commit(connection: Any) -> None:
            step = getattr(present, "step", "")
            if not step:
                return commit(connection)
            orders.reach(f"before {step}")
            commit(connection)
            return orders.reach(f"after {step}")

        return do_commit

    @functools.wraps(counting)
    def armed_counting(engine: Any) -> Any:
        orders.reach("before lock")
        return counting(engine)

    for name, step in COMMITS.items():
        arm_writing(name, step)
    writer.counting = armed_counting
    db.make_engine = armed_engine


def log_intake(directory: Path) -> None:
    """Log the id of each message that was accepted, and a line for each that was lost for lack of room."""
    from statscache.intake.accept import Intake
    from statscache.messages.message import Message
    from statscache.spool.spool import Spool

    logs = [
        os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) for name in (ACCEPTED, LOST)
    ]
    accept, lose = Intake.accept_all, Spool.lose

    def logged_accept(self: Any, bodies: Iterable[dict[str, Any]]) -> list[Message]:
        accepted = accept(self, bodies)
        os.write(logs[0], "".join(f"{message.id}\n" for message in accepted).encode())
        return accepted

    def logged_lose(self: Any, timestamp: float, reason: str) -> Any:
        loss = lose(self, timestamp, reason)
        os.write(logs[1], f"{timestamp}\n".encode())
        return loss

    Intake.accept_all = logged_accept
    Spool.lose = logged_lose


if __name__ == "__main__":
    main()
