"""Deadlocks that PostgreSQL has found: it ends one of the transactions, which is made again, so nobody sees them."""

from __future__ import annotations

from pathlib import Path

FOUND = "deadlock detected"
#: So many lines after that say who waited for whom.
EVIDENCE = 12


class ServerLog:
    """The log of a server, from now on.

    :param whole: or rather from its beginning
    """

    def __init__(self, path: Path, whole: bool = False) -> None:
        self._path = path
        self._begin = 0 if whole else path.stat().st_size

    def deadlocks(self) -> list[str]:
        """Return what the log says of each deadlock then."""
        with self._path.open("rb") as log:
            log.seek(self._begin)
            lines = log.read().decode(errors="replace").splitlines()
        found = [number for number, line in enumerate(lines) if FOUND in line]
        return ["\n".join(lines[number : number + EVIDENCE]) for number in found]
