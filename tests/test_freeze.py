"""A daemon that was frozen blames no plugin for it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """
import sys, time
from pathlib import Path
from statscache.hosting import watchdog
from statscache.hosting.watchdog import Watch, Watchdog

watchdog.FROZEN = 1.0
watch = Watch()
dog = Watchdog([watch], 2.0, lambda plugin: print("hung", flush=True), Path(sys.argv[1]))
dog.start()
watch.begin("plugin")
print("begun", flush=True)
for _ in range(int(sys.argv[2])):
    time.sleep(0.1)
print("done", flush=True)
"""


def run(tmp_path: Path, tenths: int, frozen: float) -> list[str]:
    """Let a plugin take so many tenths of a second, in a process that is frozen meanwhile; return what it says."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "stacks"), str(tenths)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(frozen)
        process.send_signal(signal.SIGCONT)
        return process.stdout.read().split()


def test_the_time_in_which_the_process_was_frozen_is_not_the_plugins(tmp_path: Path) -> None:
    """A plugin that takes a second hangs in no process that was frozen for much longer than a plugin may take."""
    assert run(tmp_path, tenths=15, frozen=3.5) == ["done"]


def test_a_plugin_that_hangs_after_a_freeze_is_still_found(tmp_path: Path) -> None:
    """From the end of the freeze on its time counts."""
    assert run(tmp_path, tenths=45, frozen=3.5) == ["hung", "done"]
