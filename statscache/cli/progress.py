"""Progress at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from statscache.cli.terminal import complain

Advance = Callable[[int, int], None]


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Advance]:
    """Show a progress bar on standard error, where that is a terminal."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("messages: {task.fields[counted]}, {task.fields[rate]:.0f}/s"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task(what, total=total, counted=0, rate=0.0)

        def advance(size: int, counted: int) -> None:
            now = bar.tasks[task]
            messages = now.fields["counted"] + counted
            elapsed = max(now.elapsed or 0.0, 0.001)
            bar.update(task, advance=size, counted=messages, rate=messages / elapsed)

        yield advance


def report_line(line: str) -> None:
    complain(line)
