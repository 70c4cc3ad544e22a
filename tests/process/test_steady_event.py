"""An event times out by the monotonic clock, and is otherwise as any other."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from statscache.process.steady_event import SteadyEvent
from tests.support.clock_preload import MovableClock

WAITING = """
import time
from statscache.process.steady_event import SteadyEvent
event, start = SteadyEvent(), time.monotonic()
print("waits", flush=True)
assert not event.wait(1.0)
print(time.monotonic() - start)
"""


def test_it_is_as_any_other() -> None:
    """It can be set, more than once, and cleared; a wait ends at once when it is set, also one without an end."""
    event = SteadyEvent()
    assert not event.is_set()
    assert not event.wait(0.0)
    for _ in range(2):
        event.set()
        event.set()
        assert event.is_set()
        assert event.wait()
        assert event.wait(1e12)
        event.clear()
        event.clear()
        assert not event.is_set()
    start = time.monotonic()
    assert not event.wait(0.2)
    assert time.monotonic() - start >= 0.2
    setting = threading.Timer(0.2, event.set)
    setting.start()
    assert event.wait(60)
    assert time.monotonic() - start < 30
    setting.join()


def test_it_leaves_no_descriptor_behind() -> None:
    """It holds one for as long as somebody has it."""
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    events = [SteadyEvent() for _ in range(10)]
    assert len(os.listdir("/proc/self/fd")) == before + 10
    events.clear()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_wait_ends_in_time_though_the_clock_is_set_back(tmp_path: Path) -> None:
    """Also where Python's own events wait for the wall clock."""
    clock = MovableClock(tmp_path, old_waits=True)
    command, environment = [sys.executable, "-c", WAITING], {**os.environ, **clock.environment}
    with subprocess.Popen(command, stdout=-1, text=True, env=environment) as process:
        assert process.stdout
        assert process.stdout.readline() == "waits\n"
        time.sleep(0.2)
        clock.set(-3600)
        assert 1 <= float(process.communicate(timeout=60)[0]) < 30
