"""Files cut into parts that can be read each by itself."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from statscache.history.files.decompress import LONGEST_MAGIC, is_compressed
from statscache.history.files.messages import FilePart

#: About so many parts each of several jobs gets: then all end at about the same time.
SHARES = 4
#: The smallest part that is worth a transaction of its own, in bytes: some thousand messages.
LEAST = 4 << 20
#: So many lines, none longer than so many bytes, are looked at for one that a file can be cut before.
LINES, LONGEST_LINE = 1000, 1 << 20


def shares(paths: Sequence[Path], jobs: int, least: int = LEAST) -> list[list[FilePart]]:
    """Return all of the files, in their order, in shares such that each of some jobs has several of them.

    :param least: how large a share is at least, in bytes, but for the last
    """
    length = max(least, sum(path.stat().st_size for path in paths) // (jobs * SHARES))
    found: list[list[FilePart]] = []
    room = 0
    for part in (part for path in paths for part in cut(path, length)):
        if room <= 0:
            found.append([])
            room = length
        found[-1].append(part)
        room -= _size(part)
    return found


def cut(path: Path, length: int) -> list[FilePart]:
    """Return a file in parts of about a length, in bytes; in one part if it is compressed.

    It is cut between two lines each of which is a whole JSON object: in no page, however that is written.
    """
    with path.open("rb") as file:
        whole = is_compressed(file.read(LONGEST_MAGIC))
        size = os.fstat(file.fileno()).st_size
        ends = [0] if whole else [0, *_ends(file, range(length, size - length // 2, length))]
    return [FilePart(path, start, stop) for start, stop in zip(ends, [*ends[1:], None], strict=True)]


def _ends(file: IO[bytes], wanted: Iterable[int]) -> Iterator[int]:
    """Yield where the file can be cut, soon after each of some places, if it can be soon."""
    last = 0
    for place in wanted:
        end = _end(file, place) if place > last else None
        if end is not None:
            yield end
            last = end


def _end(file: IO[bytes], place: int) -> int | None:
    file.seek(place)
    file.readline(LONGEST_LINE)  # the rest of a line
    was_whole = False
    for _ in range(LINES):
        start = file.tell()
        line = file.readline(LONGEST_LINE)
        if not line.endswith(b"\n"):
            return None
        is_whole = _is_object(line)
        if was_whole and is_whole:
            return start
        was_whole = is_whole
    return None


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _size(part: FilePart) -> int:
    return (part.path.stat().st_size if part.stop is None else part.stop) - part.start
