"""What a child that a plugin forks has of its parent, and what becomes of it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

SCRIPT = """
import fcntl, os, pathlib, socket, sys, time
from statscache.process.forks import FORKS

directory = pathlib.Path(sys.argv[1])
FORKS.guard()
FORKS.keep_private(directory)
"""


def run(directory: Path, script: str) -> str:
    """Return what a process prints that guards itself."""
    source = SCRIPT + textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-c", source, str(directory)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def test_a_child_ends_where_it_would_come_back_and_is_reaped(tmp_path: Path) -> None:
    """There is one process after it, and no zombie. A child that somebody else waits for is left to him."""
    script = """
        for _ in range(300):
            os.fork()
            FORKS.end_child()
        other = os.fork() or os._exit(7)
        time.sleep(0.5)
        FORKS.reap()
        status = os.waitpid(other, 0)[1]
        print("one", os.waitstatus_to_exitcode(status), FORKS.in_child)
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            print("none is left")
    """
    assert run(tmp_path, script) == "one 7 False\nnone is left\n"


def test_a_child_has_neither_the_locks_nor_the_sockets_of_its_parent(tmp_path: Path) -> None:
    """A file's lock is free once the parent has closed it, and nobody at a socket's end hears of the child."""
    script = """
        file = os.open(directory / "lock", os.O_CREAT | os.O_RDWR)
        fcntl.flock(file, fcntl.LOCK_EX)
        ours, theirs = socket.socketpair()
        FORKS.withhold(ours)
        begun, begin = os.pipe()
        child = os.fork()
        if not child:
            os.write(ours.fileno(), b"from the child")
            os.write(begin, b"x")
            time.sleep(30)
            os._exit(0)
        os.read(begun, 1)
        ours.send(b"from the parent")
        print(theirs.recv(100).decode())
        os.close(file)
        again = os.open(directory / "lock", os.O_RDWR)
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
        print("free")
        os.kill(child, 9)
    """
    assert run(tmp_path, script) == "from the parent\nfree\n"
