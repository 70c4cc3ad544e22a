"""What a daemon leaves to the next one, so that time is covered in which none ran, if the bus has kept all of it.

It is written after each commit and before that is acknowledged, and void as soon as a span ends. What is acknowledged
is gone from the bus: so it must name the last commit that anything was acknowledged for, and the next daemon looks
whether the database has that commit.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path

from statscache.process.descriptors import RESERVE

log = logging.getLogger(__name__)

BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Absence:
    """What is known of a daemon that has ended, or may at any time.

    :param since: up to which second it had heard, and counted, everything
    :param spool: the name of its spool
    :param written: when its last commit began, on the database's clock, in ISO 8601
    :param plugins: what it counted with
    :param keys: the marks of its queues
    :param boot: which start of the machine it ran in; empty where all of this was on the disk when it ended
    """

    since: int
    spool: str
    written: str
    plugins: list[str]
    keys: dict[str, str] = field(default_factory=dict)
    boot: str = ""


class AbsenceFile:
    """The file with it, one for the daemons that consume the same queues one after the other.

    :param directory: the directory of spools of a database
    :param queues: the names of the queues
    """

    def __init__(self, directory: Path, queues: Collection[str]) -> None:
        name = hashlib.sha256("\0".join(sorted(queues)).encode()).hexdigest()[:16]
        self._path = directory.parent / f"{directory.name}.{name}.away"
        self._fd = RESERVE.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        self._boot = _boot()
        self._last: Absence | None = None
        self._length = 0

    def read(self) -> Absence | None:
        """Return what the last daemon has left; None if it is void, or of another start of the machine."""
        try:
            found = Absence(**json.loads(os.pread(self._fd, 1 << 20, 0)))
        except (OSError, ValueError, TypeError):
            return None
        return found if found.boot in ("", self._boot) else None

    def write(
        self, since: int, spool: str, written: datetime, plugins: Collection[str], keys: Mapping[str, str]
    ) -> None:
        """Note what is committed, before it is acknowledged. Where that cannot be written, it is void."""
        absence = Absence(since, spool, written.isoformat(), sorted(plugins), dict(keys), self._boot)
        self._write(absence)

    def void(self) -> None:
        """Note that the time from now on must be heard anew."""
        os.ftruncate(self._fd, 0)
        self._last, self._length = None, 0

    def settle(self) -> None:
        """Have what was written last hold over a crash of the machine, too."""
        if self._last:
            self._write(replace(self._last, boot=""))
            os.fsync(self._fd)

    def _write(self, absence: Absence) -> None:
        content = json.dumps(asdict(absence)).encode()
        try:
            os.pwrite(self._fd, content.ljust(self._length), 0)
        except OSError as error:
            log.error("%s cannot be written, and no time away is covered: %s", self._path, error.strerror)
            self.void()
        else:
            self._last, self._length = absence, max(self._length, len(content))


class NoAbsence(AbsenceFile):
    """Where nothing is left behind, as the bus keeps nothing."""

    def __init__(self) -> None:
        pass

    def read(self) -> None:
        """Return nothing."""

    def void(self) -> None:
        """Do nothing."""

    def settle(self) -> None:
        """Do nothing."""


def _boot() -> str:
    """Return what tells this start of the machine from others; something new where that is not known."""
    try:
        return BOOT.read_text().strip()
    except OSError:
        return os.urandom(16).hex()
