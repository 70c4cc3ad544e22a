"""The hubs of a scenario: started, killed, frozen and started again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.support.hub import Hub
from tests.system.torture.launcher import ACCEPTED, LOST
from tests.system.torture.orders import ORDER
from tests.system.torture.revisions import HERE, REFUSED, VARIABLE
from tests.system.torture.unreadable import UNREADABLE

ROOT = Path(__file__).parents[3]
#: How long in seconds a hub may take to run, and how long an order may take to be carried out.
START, CARRIED_OUT = 90.0, 6.0


class Victim(Hub):
    """A hub that logs what it accepts and takes orders."""

    script = "from tests.system.torture.launcher import main; main()"


class Slot:
    """A place for one hub after the other, each with a directory of its own.

    :param bus: what they listen to, as they are to be told
    :param settings: what all of them are started with
    :param environment: the same of the environment's variables
    """

    #: Makes a daemon in a directory, of a bus, settings and the environment's variables.
    victim: Callable[..., Hub] = Victim
    #: The steps to which such a daemon comes beside those of every other.
    steps: tuple[str, ...] = ()
    #: The same of those to which it comes when it starts.
    first_steps: tuple[str, ...] = ()

    def __init__(
        self, directory: Path, bus: Any, settings: dict[str, Any], environment: dict[str, str]
    ) -> None:
        self.name = directory.name
        self._directory = directory
        self._bus = bus
        self.settings = settings
        self._environment = environment
        self._count = 0
        self._doomed = False
        self.hub: Hub | None = None
        #: What went otherwise than it should.
        self.complaints: list[str] = []

    def learn(self) -> None:
        """Let what is started from now on be of the next version, which knows the suite's own revisions."""
        self._environment[VARIABLE] = str(HERE)

    @property
    def has_learned(self) -> bool:
        """Whether what is started is of the next version."""
        return VARIABLE in self._environment

    @property
    def needs_old_form(self) -> bool:
        """Whether a daemon runs of the version before."""
        return not self.has_learned and self.running

    def start(self, order: dict[str, Any] | None = None) -> None:
        """Start a hub."""
        self._count += 1
        self._doomed = order is not None
        directory = self._directory / f"{self._count:03}"
        directory.mkdir(parents=True)
        if order is not None:
            (directory / ORDER).write_text(json.dumps(order))
        path = os.pathsep.join(filter(None, [str(ROOT), self._environment.get("PYTHONPATH")]))
        environment = {**self._environment, "TORTURE_DIRECTORY": str(directory), "PYTHONPATH": path}
        self.hub = self.victim(directory, self._bus, self.settings, **environment)

    def run(self) -> Hub:
        """Return a hub that runs, started as often as that takes."""
        deadline = time.monotonic() + START
        while not self.running or self.frozen:
            self.thaw()
            if self.hub is None or self.ended:
                self._look_at_the_dead()
                self.start()
            if time.monotonic() > deadline:
                raise AssertionError(f"the hub {self.name} does not come to run")
            time.sleep(0.05)
        assert self.hub is not None
        return self.hub

    @property
    def running(self) -> bool:
        """Whether there is a hub that listens and flushes."""
        return self.hub is not None and self.hub.process.poll() is None and self._was_running()

    @property
    def ended(self) -> bool:
        """Whether the hub's process is no more."""
        return self.hub is not None and self.hub.process.poll() is not None

    def _was_running(self) -> bool:
        return self.hub is not None and "statscache is running" in self.hub.log

    def _look_at_the_dead(self) -> None:
        """Complain of a hub that has ended though nobody told it to; one that could not start may.

        In the place of one that is too old for the tables comes the next version.
        """
        if self.hub is not None and REFUSED in self.hub.log:
            self.learn()
            return
        if self.hub is not None and not self._doomed and self._was_running():
            self.complaints.append(f"{self.name} {self._count} ended with {self.hub.process.returncode}")

    def kill(self) -> None:
        """Kill the hub."""
        assert self.hub is not None
        self._doomed = True
        self.hub.kill()

    def order(self, step: str, n: int, number: int) -> bool:
        """Tell the hub to kill or freeze itself when it comes to a step for the n-th time; return whether it has."""
        hub = self.run()
        self._doomed = self._doomed or number == signal.SIGKILL
        self._send_order(hub, {"step": step, "n": n, "signal": int(number)})
        deadline = time.monotonic() + CARRIED_OUT
        while not (hub.process.poll() is not None or self.frozen):
            if time.monotonic() > deadline:
                self._send_order(hub, {"step": "", "n": 0, "signal": 0})
                return False
            time.sleep(0.01)
        return True

    def _send_order(self, hub: Hub, order: dict[str, Any]) -> None:
        place = self._directory / f"{self._count:03}"
        (place / "order.tmp").write_text(json.dumps(order))
        (place / "order.tmp").rename(place / ORDER)
        hub.process.send_signal(signal.SIGUSR1)

    def fail_reading(self, error: int) -> None:
        """Let reading a spool fail with an error of the operating system, or with 0 no more."""
        flag = self._directory / f"{self._count:03}" / UNREADABLE
        if error:
            flag.write_text(str(error))
        else:
            flag.unlink()

    @property
    def frozen(self) -> bool:
        """Whether the hub is stopped."""
        if self.hub is None:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            return bool(psutil.Process(self.hub.process.pid).status() == psutil.STATUS_STOPPED)
        return False

    def freeze(self) -> None:
        """Stop the hub's process."""
        self.run().process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the hub's process go on."""
        if self.hub is not None and self.hub.process.poll() is None:
            self.hub.process.send_signal(signal.SIGCONT)

    def end(self) -> str:
        """End the hub as systemd does, and return what its log says of it; complain unless it exits with 0."""
        hub = self.run()
        self._doomed = True
        code, seconds = hub.end(patience=60)
        if code != 0 or seconds > 8:
            self.complaints.append(f"{self.name} {self._count} ended with {code} after {seconds:.1f} s")
        return hub.log

    def _lines(self, name: str) -> Iterator[str]:
        for path in sorted(self._directory.glob(f"*/{name}")):
            text = path.read_text(encoding="utf-8")
            yield from text.split("\n")[:-1]  # what was being written when it was killed has no end

    def accepted(self) -> set[str]:
        """Return the ids of all messages that any hub of this place has accepted."""
        return set(self._lines(ACCEPTED))

    def lost(self) -> int:
        """Return how many messages found no room in a spool."""
        return sum(1 for _ in self._lines(LOST))
