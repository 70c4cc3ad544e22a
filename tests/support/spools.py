"""What the tests of spools have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from statscache.spool.directory import adopt_spools
from statscache.spool.record import encode
from statscache.spool.segment import Damage
from statscache.spool.spool import Spool

LIMIT = 1 << 30


def fill(spool: Spool, count: int) -> dict[int, dict[str, Any]]:
    """Append messages, and return each by its position."""
    filled = [{"n": n, "x": "x" * (n % 60)} for n in range(count)]
    return {spool.append(encode(body)): body for body in filled}


def everything(spool: Spool) -> dict[int, dict[str, Any]]:
    """Return all messages that a scan finds from the oldest on."""
    found = spool.scan(spool.start, spool.end)
    return {position: body for position, body in found if not isinstance(body, Damage)}


def damages(spool: Spool) -> list[Damage]:
    """Return all damage that a scan finds."""
    return [found for _, found in spool.scan(0, spool.end) if isinstance(found, Damage)]


def segments(spool_directory: Path) -> list[Path]:
    """Return the segment files, oldest first."""
    return sorted(spool_directory.glob("*.spool"))


def reopened(spool: Spool, directory: Path) -> Spool:
    """Return the spool as the next daemon gets it."""
    spool.close()
    [adopted] = adopt_spools(directory)
    assert adopted.id == spool.id
    return adopted
