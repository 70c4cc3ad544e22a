"""Children that plugins fork: none comes back to the daemon's work, speaks for it, or keeps what it has locked."""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path
from typing import Protocol
from weakref import WeakSet

#: How a child tells its parent the id of its process.
PID = struct.Struct("i")


class HasDescriptor(Protocol):
    """A socket, or what has one."""

    def fileno(self) -> int: ...


class ForkGuard:
    """Keeps the daemon's work to the one process that it is told to guard. Until then it does nothing."""

    def __init__(self) -> None:
        #: Whether this process is a child of the guarded one.
        self.in_child = False
        self._is_set = False
        self._private = ""
        #: The children that have ended and that nobody has asked for, as far as they are known.
        self._dead: set[int] = set()
        self._withheld: WeakSet[HasDescriptor] = WeakSet()

    def guard(self) -> None:
        """Let this process do the work, and no child of it."""
        self.in_child = False
        if not self._is_set:
            self._is_set = True
            self._ended = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            os.register_at_fork(after_in_child=self._begin_child)

    def keep_private(self, directory: Path) -> None:
        """Let no child keep a file open that is in this directory, and with it the file's lock."""
        self._private = f"{directory.resolve()}/"

    def withhold(self, holder: HasDescriptor) -> None:
        """Let no child use a socket of this process: a child finds /dev/null in its place."""
        self._withheld.add(holder)

    def end_child(self) -> None:
        """End this process at once if it is a child. Called where a plugin gives control back."""
        if self.in_child:
            with contextlib.suppress(OSError):  # nobody reads, or too much is there to be read
                os.write(self._ended[1], PID.pack(os.getpid()))
            os._exit(0)

    def reap(self) -> None:
        """Let the system forget the children that have ended so, and no others: those are for who has made them."""
        if self._is_set:
            with contextlib.suppress(BlockingIOError):
                while pids := os.read(self._ended[0], 256 * PID.size):
                    self._dead.update(pid for (pid,) in PID.iter_unpack(pids))
            self._dead = {pid for pid in self._dead if not _is_reaped(pid)}

    def _begin_child(self) -> None:
        """Leave to the parent what is the parent's. Called in each child."""
        self.in_child = True
        self._cut_sockets()
        self._close_private()

    def _cut_sockets(self) -> None:
        with contextlib.suppress(OSError):
            nothing = os.open(os.devnull, os.O_RDWR)
            for holder in tuple(self._withheld):
                with contextlib.suppress(Exception):  # it is closed, which drivers say in ways of their own
                    os.dup2(nothing, holder.fileno())
            os.close(nothing)

    def _close_private(self) -> None:
        if not self._private:
            return
        with contextlib.suppress(OSError):
            for name in os.listdir("/proc/self/fd"):
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/self/fd/{name}").startswith(self._private):
                        os.close(int(name))


def _is_reaped(pid: int) -> bool:
    """Return whether a child that is ending has ended, and nobody need ask for it any more."""
    try:
        return os.waitpid(pid, os.WNOHANG) != (0, 0)
    except ChildProcessError:
        return True  # the plugin has


#: The guard of this process.
FORKS = ForkGuard()
