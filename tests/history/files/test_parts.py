"""Files cut into parts."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statscache.history.files.messages import FilePart, FileReading
from statscache.history.files.parts import cut, shares
from tests.support.files import body, line, page, pretty

PIECES = st.sampled_from(
    [
        line(body(1)),
        line({"message": body(2)}),
        line(page(body(3), body(4))),
        pretty(page(body(5), body(6))) + b"\n",
        pretty(page(body(7), body(8)), indent=0) + b"\n",
        b"\n",
        b"rubbish\n",
        b"{\n",
        line(body(9)).rstrip() + line(body(10)),
    ]
)


def read(parts: list[FilePart]) -> list[tuple[str, Any]]:
    """Return what is in the parts of a file, with its place in the file."""
    found, line, pages = [], 0, 0
    for part in parts:
        reading = FileReading(part)
        for place, value, _ in reading.messages():
            its = place._replace(line=place.line + line, page=place.page and place.page + pages)
            found.append((str(its), str(value)))
        line, pages = line + reading.size.line, pages + reading.size.page
    return found


@settings(max_examples=300, deadline=None)
@given(
    pieces=st.lists(PIECES, max_size=30), length=st.integers(1, 2000), end=st.sampled_from([b"", b"{", b"x"])
)
def test_parts_have_what_the_whole_has(
    pieces: list[bytes], length: int, end: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the form, each message and each bad line is in one part, at the place that it has in the file."""
    path = tmp_path_factory.mktemp("parts") / "f"
    path.write_bytes(b"".join(pieces) + end)
    assert read(cut(path, length)) == read([FilePart(path)])


def test_a_large_file_of_lines_is_cut_evenly(tmp_path: Path) -> None:
    """Its parts are of about the length wanted, and share nothing."""
    path = tmp_path / "f"
    path.write_bytes(b"".join(line(body(n)) for n in range(1000)))
    size = path.stat().st_size
    parts = cut(path, size // 10)
    starts = [part.start for part in parts]
    assert len(parts) == 10
    assert [part.stop for part in parts] == [*starts[1:], None]
    assert all(abs(start - n * size // 10) < 400 for n, start in enumerate(starts))


def test_what_is_compressed_stays_whole(tmp_path: Path) -> None:
    """It can only be read from its beginning."""
    path = tmp_path / "f.gz"
    path.write_bytes(gzip.compress(b"".join(line(body(n)) for n in range(1000))))
    assert cut(path, 100) == [FilePart(path)]


def test_a_file_without_lines_stays_whole(tmp_path: Path) -> None:
    """No line is read that would not fit into memory."""
    path = tmp_path / "f"
    path.write_bytes(json.dumps(body(1) | {"msg": "x" * (3 << 20)}).encode())
    assert cut(path, 1000) == [FilePart(path)]


def test_small_files_are_read_together(tmp_path: Path) -> None:
    """Each share but the last is large enough to be worth its transactions."""
    paths = [tmp_path / f"f{n}" for n in range(10)]
    for path in paths:
        path.write_bytes(line(body(1)) * 10)
    least = 3 * paths[0].stat().st_size
    found = shares(paths, 2, least)
    assert [len(share) for share in found] == [3, 3, 3, 1]
    assert [part.path for share in found for part in share] == paths
