"""A terminal in which commands run."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios

from tests.support.place import Place

#: What colours and styles text.
STYLE = re.compile(r"\x1b\[[0-9;]*m")


def in_terminal(place: Place, columns: int, *arguments: str) -> str:
    """Return what a command writes to a terminal that is so wide, with what colours it."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    place.environment["TERM"] = "xterm-256color"
    process = place.start(*arguments, stdin=its, stdout=its, stderr=its)
    os.close(its)
    written = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        written += part
    process.wait(60)
    os.close(ours)
    return written.decode().replace("\r\n", "\n")


def plain(written: str) -> str:
    """Return the text alone."""
    return STYLE.sub("", written)
