"""The demo's table."""

from __future__ import annotations

import io
from collections import Counter

from rich.console import Console

from statscache.demo.picture import picture


def shown(counted: dict[str, int], sent: int = 0, width: int = 80) -> list[str]:
    """Return the lines of the table."""
    console = Console(file=io.StringIO(), width=width)
    console.print(picture(sent, Counter(counted)))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_the_title_is_the_sum_of_the_table() -> None:
    """Of more categories than there are lines the last one has the rest."""
    lines = shown({f"category-{number:02}": 30 - number for number in range(13)}, sent=500)
    volumes = [int(line.split("  ")[-2 if "█" in line else -1].split()[-1]) for line in lines[2:]]
    assert len(lines) == 2 + 10 + 1
    assert lines[-1].startswith("3 others")
    assert lines[0] == f"500 messages sent, {sum(volumes)} counted"


def test_a_burst_leaves_the_others_bars_of_different_lengths() -> None:
    """A category that is a thousand times as busy does not make blocks of one length of all others."""
    bars = [
        line.count("█") + line.count("▌") / 2
        for line in shown({"buildsys": 20_000, "a": 900, "b": 150, "c": 20})
    ]
    assert bars[2] == 40
    assert bars[3] > 2 * bars[4] > 4 * bars[5] > 0


def test_nothing_is_a_table_without_rows() -> None:
    """Before the first message is counted."""
    assert len(shown({})) == 2
