"""Reading one segment of a spool from its beginning on, or from any record in it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from statscache.errors import number_of
from statscache.spool.record import is_torn, records

log = logging.getLogger(__name__)

#: So many bytes are read at a time.
CHUNK = 1 << 20


def scan_segment(
    path: Path, begin: int, start: int, end: int, last: bool
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the records of a segment from one position up to another, each as its position and body.

    :param begin: the position at which the segment begins
    :param last: whether there is no later one, so that its last record may be torn
    """
    position, rest = start, b""
    with _open(path) as file:
        file.seek(start - begin)
        while position < end:
            if chunk := _read(file, path):
                rest += chunk
            used = 0
            for size, body in records(rest):
                if position + used >= end:
                    return
                yield position + used, body
                used += size
            position, rest = position + used, rest[used:]
            if not chunk and position < end:
                _report_damage(path, end - position, rest, last)
                return


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError:  # its messages are lost, which is said when they are missed, but not those of the others
        return io.BytesIO()


def _read(file: IO[bytes], path: Path) -> bytes:
    try:
        return file.read(CHUNK)
    except OSError as error:
        log.error("%s cannot be read: %s", path, error.strerror)
        return b""


def _report_damage(path: Path, length: int, rest: bytes, last: bool) -> None:
    """Log what could not be read of a segment: so many bytes, of which these are there."""
    if rest and last and is_torn(rest):
        log.warning("dropped a torn last record, %s of %s", number_of(length, "byte"), path)
    else:
        log.error("lost %s of %s, which is damaged", number_of(length, "byte"), path)
