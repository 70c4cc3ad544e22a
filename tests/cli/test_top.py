"""`statscache top`: the busiest keys of the last windows, live."""

from __future__ import annotations

import os
import pty
import signal
import time
from contextlib import closing
from datetime import UTC, datetime

import pytest

from tests.support.commands import body, told
from tests.support.hub import wait_for
from tests.support.place import Place, lines, rows


@pytest.mark.slow
def test_top_lists_the_busiest_keys_of_the_last_windows(counted: Place) -> None:
    """The busiest first, each with its count in every window, the present one last."""
    found = told(counted, "top")
    assert [(row["category"], row["volume"]) for row in found["rows"]] == [
        ("bodhi", 4),
        ("copr", 2),
        ("git", 1),
    ]
    assert all(sum(row["volumes"]) == row["volume"] for row in found["rows"])
    assert len(found["windows"]) == len(found["rows"][0]["volumes"]) == 15
    assert (
        told(counted, "top", "volume-by-category-1d", "--keys", "1", "--windows", "2")["rows"]
        == [{"category": "bodhi", "volume": 4, "volumes": [0, 4]}]
        or datetime.now(UTC).hour == 0
    )
    title, titles, *listed = rows(counted.answer("top", "--once"))
    assert title[0].startswith("volume-by-category-1m, ")
    assert titles[:4] == ["category", "now", "before", "15 x 1m"]
    assert [row[0] for row in listed] == ["bodhi", "copr", "git"]


@pytest.mark.slow
def test_top_goes_on_until_it_is_interrupted(busy: Place) -> None:
    """On a terminal it looks again and again, shows what is new, and ends with 0 on Ctrl-C."""
    master, slave = pty.openpty()
    with closing(os.fdopen(master, "rb", buffering=0)) as terminal:
        process = busy.start("top", "--every", "0.2", stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        seen = ""

        def sees(word: str) -> bool:
            nonlocal seen
            seen += terminal.read(65536).decode(errors="replace")
            return word in seen

        wait_for("the busiest", lambda: sees("bodhi"))
        busy.write("more.jsonl", lines(body(100, time.time(), "anitya")))
        busy.answer("replay", "more.jsonl")
        wait_for("what is new", lambda: sees("anitya"))
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert "Traceback" not in seen
