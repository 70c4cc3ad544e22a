"""The clock that tests move is moved for those alone who use it, and only the wall clock is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.clock_preload import MovableClock

#: Answers each line, a number of seconds, with the time and for how long it has slept and waited for so long.
ANSWERING = """
import sys, threading, time
from datetime import datetime
for line in sys.stdin:
    start = time.monotonic()
    time.sleep(float(line))
    slept = time.monotonic()
    threading.Event().wait(float(line))
    print(time.time(), datetime.now().timestamp(), slept - start, time.monotonic() - slept, flush=True)
"""


@contextmanager
def answering(clock: MovableClock) -> Iterator[subprocess.Popen[str]]:
    """Run a process that has this clock and tells the time."""
    environment = {**os.environ, **clock.environment}
    command = [sys.executable, "-c", ANSWERING]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, env=environment) as process:
        yield process
        process.communicate()


def ask(process: subprocess.Popen[str], seconds: float) -> None:
    """Let it sleep and wait for so long."""
    assert process.stdin
    process.stdin.write(f"{seconds}\n")
    process.stdin.flush()


def answer(process: subprocess.Popen[str]) -> list[float]:
    """Return what it answers."""
    assert process.stdout
    return [float(value) for value in process.stdout.readline().split()]


def test_the_wall_clock_of_a_running_process_is_moved_and_nothing_else(tmp_path: Path) -> None:
    """Either way, again and again, by fractions of a second, too; it sleeps and waits for as long as before."""
    clock = MovableClock(tmp_path)
    with answering(clock) as process:
        for ahead in (0.0, 3600.0, -3600.0, -1.5, 86_400 * 400.0, 0.0):
            clock.set(ahead)
            before = time.time()
            ask(process, 0.1)
            *told, slept, waited = answer(process)
            assert all(before < value - ahead < time.time() for value in told)
            assert 0.1 <= slept < 10
            assert 0.1 <= waited < 10
        clock.move(5)
        clock.move(-2)
        assert clock.ahead == 3
        assert abs(clock.time() - time.time() - 3) < 0.1


def test_waits_can_be_as_those_of_an_old_library(tmp_path: Path) -> None:
    """Then a wait ends when the wall clock says so."""
    clock = MovableClock(tmp_path, old_waits=True)
    with answering(clock) as process:
        ask(process, 1)
        time.sleep(1.5)  # it is in the middle of its wait
        clock.set(-2)
        *_, slept, waited = answer(process)
        assert slept < 2 < waited
