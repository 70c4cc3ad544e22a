"""Runs a hub that logs what it accepts and can be told to die or freeze at a step; nothing of the product knows of it.

usage: python -m tests.system.torture.launcher --config-filename FILE

TORTURE_DIRECTORY is where the logs go, and where an order is read from: at the start, and at each SIGUSR1.
"""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Callable, Iterable
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.system.torture import revisions
from tests.system.torture.orders import Orders, wrap
from tests.system.torture.unreadable import UNREADABLE, fail_reading

ACCEPTED, LOST = "accepted.log", "lost.log"
#: Short pauses, small batches and segments, so that much happens in little time.
SETTINGS = {
    "TimeZone": "UTC",
    "lock_timeout": "3s",
    "statement_timeout": "8s",
    "idle_in_transaction_session_timeout": "3s",
    "synchronous_commit": "on",
    "statscache.writes": "on",
}
HASTE: dict[str, dict[str, Any]] = {
    "bus.watermark": {"SETTLE": 2.0},
    "counting.flusher": {"UPKEEP": 0.5},
    "counting.pause": {"LONGEST_PAUSE": 1.0},
    "upkeep.seldom": {"EVERY": 1.0},
    "spool.segments": {"SEGMENT": 1 << 18},
    "intake.backlog": {"MANY": 3_000},
    "store.quarantine": {"PAUSES": (timedelta(seconds=1),) * 5},
    "hosting.suspensions": {"SHORTEST": timedelta(seconds=1), "LONGEST": timedelta(seconds=4)},
    "database.engine": {"SETTINGS": SETTINGS},
}
#: A module, a class in it if there is one, and a function.
Home = tuple[str, str | None, str]
#: The steps at which a daemon can be told to die: at each of these functions, before and after.
STEPS: dict[str, Home] = {
    "cut": ("intake.accept", "Intake", "cut"),
    "write": ("counting.writer", "Writer", "write"),
    "enter": ("store.ledger", None, "enter"),
    "count": ("counting.update", "PluginUpdates", "count"),
    "update": ("counting.update", None, "update_table"),
    "join": ("counting.update", None, "join_table"),
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
    "drop": ("upkeep.retention.chore", None, "drop_some"),
    "look": ("upkeep.retention.drop", None, "look"),
    "note": ("upkeep.retention.drop", None, "drop"),
    "delete": ("upkeep.retention.drop", None, "_drop"),
    "names": ("store.forgotten", None, "refresh"),
    "clear": ("spool.clearing", "Clearing", "begin"),
    "note clear": ("spool.layout", None, "write_names"),
    "tables": ("schema.migrations.start", None, "begin"),
}

#: What has a commit at which a daemon can be told to die, by that step's name.
COMMITS: dict[str, Home] = {
    "commit": ("counting.writer", "Writer", "write"),
    "slice's commit": ("counting.writer", "Writer", "write_slice"),
    "dropping's commit": ("upkeep.retention.chore", None, "drop_some"),
    "upgrade's commit": ("schema.migrations.start", None, "apply_quick"),
}
#: What gives a transaction under the lock, alone or with others.
LOCKS = ("counting", "counting_shared")


def main() -> None:
    """Run the hub."""
    prepare()
    from fedmsg.commands.hub import hub

    hub()


def prepare() -> None:
    """Let this process log what it accepts, and take orders."""
    directory = Path(os.environ["TORTURE_DIRECTORY"])
    orders = Orders(directory)
    orders.read()
    signal.signal(signal.SIGUSR1, orders.read)
    log_intake(directory)
    arm(orders)
    fail_reading(directory / UNREADABLE)


def arm(orders: Orders, others: str = "") -> None:
    """Put the steps, and haste, into the product.

    :param others: the step of commits that have no name of their own, if they are one
    """
    import statscache.daemon  # noqa: F401  and with it all the others

    if place := os.environ.get(revisions.VARIABLE):
        revisions.know(Path(place))
        STEPS["apply"] = "schema.migrations.scripts", "Scripts", "apply"

    for module, values in HASTE.items():
        vars(import_module(f"statscache.{module}")).update(values)
    for step, home in STEPS.items():
        wrap(orders, step, owner_of(home), home[2])
    tear(orders)
    arm_commits(orders, others)


def owner_of(home: Home) -> Any:
    """Return the module, or the class in it, that has a function."""
    module, owner, _ = home
    found = import_module(f"statscache.{module}")
    return getattr(found, owner) if owner else found


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


def arm_commits(orders: Orders, others: str = "") -> None:
    """Put steps around the commits of what writes, and around the lock that everything which counts takes.

    :param others: the step of all other commits, if they are one
    """
    from statscache.counting import writer
    from statscache.database import engine as db
    from statscache.database.round_trip import RoundTrip

    present = threading.local()
    make_engine = db.make_engine

    def arm_writing(step: str, home: Home) -> None:
        owner = owner_of(home)
        inner = getattr(owner, home[2])

        def armed(*args: Any) -> Any:
            present.step = step
            try:
                return inner(*args)
            finally:
                present.step = others

        setattr(owner, home[2], armed)

    def armed_engine(url: str, *rest: Any, **named: Any) -> Any:
        engine = make_engine(url, *rest, **named)
        commit, armed = engine.dialect.do_commit, armed_commit(engine.dialect.do_commit)
        # What sends its own COMMIT comes here when that is done.
        engine.dialect.do_commit = lambda connection: (commit if connection.autocommit else armed)(connection)
        return engine

    def armed_commit(commit: Callable[[Any], None]) -> Callable[[Any], None]:
        def do_commit(connection: Any) -> None:
            step = getattr(present, "step", others)
            if not step:
                return commit(connection)
            orders.reach(f"before {step}")
            commit(connection)
            return orders.reach(f"after {step}")

        return do_commit

    def arm_lock(name: str) -> None:
        inner = getattr(writer, name)

        @functools.wraps(inner)
        def armed(engine: Any, **named: Any) -> Any:
            orders.reach("before lock")
            return inner(engine, **named)

        setattr(writer, name, armed)

    for step, home in COMMITS.items():
        arm_writing(step, home)
    for name in LOCKS:
        arm_lock(name)
    db.make_engine = armed_engine
    RoundTrip.commit = armed_commit(RoundTrip.commit)  # type: ignore[method-assign]


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
