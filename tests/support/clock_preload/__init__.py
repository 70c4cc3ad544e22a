"""The wall clock of a process, moved while the process runs."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "clock.c"
NANOSECONDS = 1_000_000_000


class MovableClock:
    """A wall clock for processes that are started with its `environment`; it is right until somebody moves it.

    The monotonic clock of these processes, sleeping and the kernel's time-outs stay as they are.

    :param directory: where its library and its offset are kept
    :param old_waits: whether locks and events time out by the wall clock, as in a Python for an old C library
    """

    def __init__(self, directory: Path, old_waits: bool = False) -> None:
        library, offset = directory / "clock.so", directory / "clock.offset"
        offset.write_bytes(bytes(8))
        with offset.open("r+b") as file:
            self._offset = mmap.mmap(file.fileno(), 8)
        _compile(library)
        #: What a process needs in its environment; those that it starts inherit it.
        self.environment = {"LD_PRELOAD": str(library), "STATSCACHE_TEST_CLOCK": str(offset)}
        if old_waits:
            self.environment["STATSCACHE_TEST_OLD_WAITS"] = "1"

    @property
    def ahead(self) -> float:
        """By how many seconds the clock is ahead of the true time."""
        return struct.unpack("=q", self._offset[:])[0] / NANOSECONDS

    def set(self, ahead: float) -> None:
        """Set the clock so many seconds ahead of the true time, negative for behind it. It takes effect at once."""
        self._offset[:] = struct.pack("=q", round(ahead * NANOSECONDS))

    def move(self, seconds: float) -> None:
        """Set the clock forward by so many seconds, or back."""
        self.set(self.ahead + seconds)

    def time(self) -> float:
        """Return what the processes take for the time, in seconds since 1970."""
        return time.time() + self.ahead


def _compile(library: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    command = [
        compiler,
        "-shared",
        "-fPIC",
        "-O1",
        "-Wall",
        "-Werror",
        "-o",
        str(library),
        str(SOURCE),
        "-ldl",
    ]
    subprocess.run(command, check=True)
