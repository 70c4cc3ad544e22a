"""An event whose time-outs run on the monotonic clock.

Those of Python's own run on the wall clock where Python was built for a C library without `sem_clockwait`, which is
musl, glibc before 2.30, and what portable builds of Python are made for. There a wait for a tenth of a second takes
an hour and more if the clock is set back by an hour meanwhile.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import threading
import weakref

#: No wait lasts longer, in seconds; the kernel takes no more than 24 days.
LONGEST_S = 1e6


class SteadyEvent(threading.Event):
    """An event as `threading.Event` is, each of which holds a descriptor."""

    def __init__(self) -> None:
        super().__init__()
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        weakref.finalize(self, os.close, self._fd)

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self.wait(0.0)

    def set(self) -> None:
        """Set it, and wake who waits."""
        os.eventfd_write(self._fd, 1)

    def clear(self) -> None:
        """Set it no more."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._fd)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, for so many seconds at most, and return whether it is; None for however long."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(None if timeout is None else math.ceil(min(timeout, LONGEST_S) * 1000)))
