"""Reading one segment of a spool from its beginning on, or from any record in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from statscache.errors import StatscacheError, number_of
from statscache.process.descriptors import RESERVE
from statscache.spool.record import is_torn, records, size_of

log = logging.getLogger(__name__)

#: So many bytes are read at a time.
CHUNK = 1 << 20


class NotSpooled(StatscacheError):
    """A message that could not be written to the spool; the text says why."""


class SpoolUnreadable(StatscacheError):
    """A spool that could not be read just now: what it holds is not known, and is not nothing."""


@dataclass(frozen=True)
class Damage:
    """A part of a spool whose messages are lost: what lies there is not what was written.

    :param start: the position at which it begins
    :param end: the position at which it ends
    :param reason: why they are lost
    """

    start: int
    end: int
    reason: str = "the spool was damaged"


#: What is found at a position: a message's body, or nothing that can be used.
Found = dict[str, Any] | Damage


def scan_segment(
    path: Path, begin: int, start: int, end: int, may_be_torn: bool
) -> Iterator[tuple[int, Found]]:
    """Yield what lies in a segment from one position up to another, each with its position.

    :param begin: the position at which the segment begins
    :param may_be_torn: whether its writer may have died while it wrote the last record, which then was not accepted
    :raises OSError: if it cannot be read
    """
    position, rest = start, b""
    with open(path, "rb", opener=RESERVE.open) as file:
        file.seek(start - begin)
        while position < end:
            chunk = file.read(CHUNK)
            rest += chunk
            used = 0
            for size, body in records(rest):
                if position + used >= end:
                    return
                yield position + used, body
                used += size
            if not chunk and position + used < end:
                left, at = rest[used:], position + used
                if may_be_torn and is_torn(left):
                    _report_torn(path, len(left))
                    return
                damage = _damage(left, at, end)
                log.error("lost %s of %s, which is damaged", number_of(damage.end - at, "byte"), path)
                yield at, damage
                used += damage.end - at
            position, rest = position + used, rest[used:]


def _damage(data: bytes, start: int, end: int) -> Damage:
    """Return how far the damage goes with which the data begins: one record, if what follows it is sound."""
    size = size_of(data)
    if size is not None and (start + size == end or next(records(data[size:]), None) is not None):
        return Damage(start, start + size)
    return Damage(start, end)


def _report_torn(path: Path, length: int) -> None:
    if length:
        log.warning("dropped a torn last record, %s of %s", number_of(length, "byte"), path)
