"""Progress at a terminal."""

from __future__ import annotations

import os
import pty
import re

from tests.support.commands import body
from tests.support.place import Place, lines


def test_a_terminal_shows_progress_and_rate(there: Place) -> None:
    """On a terminal a bar, the messages so far and their rate are drawn, and bad lines still stand out."""
    there.write("some.jsonl", lines(*map(body, range(500)), "{", *map(body, range(500, 1000))))
    there.environment |= {"TERM": "xterm-256color", "COLUMNS": "120"}
    master, slave = pty.openpty()
    process = there.start("replay", "some.jsonl", stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    shown = read_terminal(master)
    assert process.wait(30) == 2
    assert re.search(r"replay .*━+.* messages: 1000, \d+/s", shown)
    assert "some.jsonl, line 501: not JSON" in shown
    assert "1000 messages counted, 0 known already, 0 rejected, 1 bad line" in shown


def read_terminal(master: int) -> str:
    """Return all that is written to a terminal, without colours."""
    shown = b""
    try:
        while data := os.read(master, 65536):
            shown += data
    except OSError:  # Linux says so when the other end is closed
        os.close(master)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
