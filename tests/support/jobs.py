"""The processes of a command that works by several."""

from __future__ import annotations

import psutil


def all_processes(pid: int) -> list[psutil.Process]:
    """Return all that a command has started, whatever they do."""
    return psutil.Process(pid).children(recursive=True)


def jobs_of(pid: int) -> list[psutil.Process]:
    """Return those that count."""
    return [its for its in all_processes(pid) if any("spawn_main" in word for word in its.cmdline())]
