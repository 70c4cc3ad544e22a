"""What daemons may meet on their own machine: unreadable and damaged spools, no descriptors, clocks that are set."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.system.torture.fleet import Slot

if TYPE_CHECKING:
    from tests.system.torture.stage import Stage

UNREADABLE, DAMAGED, FEW, JUMP = "spools unreadable", "spools damaged", "times without descriptors", "jumps"
ERRORS = (errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOENT, errno.EACCES, errno.ESTALE)
#: How long in seconds the database is away before and after, and how long the trouble lasts.
AWAY, TROUBLE = (0.5, 2.0), (0.3, 4.0)
#: By how many seconds a clock is set.
LEAPS = (-86_400.0, -3_600.0, -120.0, -20.0, -3.0, 3.0, 20.0, 120.0, 3_600.0, 86_400.0)


@contextmanager
def without_database(stage: Stage, chance: random.Random) -> Iterator[None]:
    """Let the database be away, so that messages are only in the spool."""
    stage.gate.shut()
    time.sleep(chance.uniform(*AWAY))
    try:
        yield
    finally:
        stage.gate.open()


def fail_reading(stage: Stage, slot: Slot, chance: random.Random) -> str:
    """Let every reading of the spool fail for a while, while the flush fails or when it could work again."""
    slot.run()
    with without_database(stage, chance):
        slot.fail_reading(chance.choice(ERRORS))
        time.sleep(chance.uniform(*AWAY))
    time.sleep(chance.uniform(*TROUBLE))
    slot.fail_reading(0)
    return UNREADABLE


def hide_segments(stage: Stage, slot: Slot, chance: random.Random) -> str:
    """Let the files of the spool be away for a while."""
    slot.run()
    with without_database(stage, chance):
        hidden = [(path, path.with_suffix(".hidden")) for path in stage.segments]
        for path, aside in hidden:
            path.rename(aside)
        time.sleep(chance.uniform(*AWAY))
    time.sleep(chance.uniform(*TROUBLE))
    for path, aside in hidden:
        aside.unlink() if path.exists() else aside.rename(path)
    return UNREADABLE


def flip_byte(stage: Stage, slot: Slot, chance: random.Random) -> str | None:
    """Let a byte of the spool be another one."""
    slot.run()
    with without_database(stage, chance):
        segments = [path for path in stage.segments if path.stat().st_size]
        if not segments:
            return None
        path = chance.choice(segments)
        at = chance.randrange(path.stat().st_size)
        with path.open("r+b") as file:
            byte = os.pread(file.fileno(), 1, at)
            os.pwrite(file.fileno(), bytes([byte[0] ^ 0x20]), at)
        time.sleep(chance.uniform(*AWAY))
    return DAMAGED


def remove_spool(stage: Stage, slot: Slot, chance: random.Random) -> str:
    """Remove the spool's directory under the daemon."""
    slot.run()
    with without_database(stage, chance):
        for directory in stage.spools:
            shutil.rmtree(directory, ignore_errors=True)
        time.sleep(chance.uniform(*AWAY))
    return DAMAGED


def take_descriptors(stage: Stage, slot: Slot, chance: random.Random) -> str:
    """Let the daemon open no file and no connection for a while, while its connections break."""
    process = slot.run().process
    soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    used = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (max(used - chance.randint(0, 6), 3), hard))
    if chance.random() < 0.7:
        stage.gate.cut()
    time.sleep(chance.uniform(*TROUBLE))
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, hard))
    return FEW


def set_clock(stage: Stage, slot: Slot, chance: random.Random) -> str:
    """Set the daemon's clock, and for the most part set it right again after a while."""
    slot.run()
    clock = stage.clocks[slot.name]
    clock.set(chance.choice(LEAPS))
    time.sleep(chance.uniform(*TROUBLE))
    if chance.random() < 0.7:
        clock.set(0)
    return JUMP
