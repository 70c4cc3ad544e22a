"""Files as they were before they were compressed."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from tests.support.files import COMPRESSED, bad, bodies, body, line, read


@pytest.mark.parametrize("pack", COMPRESSED)
def test_compression_that_is_cut_off_is_told(pack: str, tmp_path: Path) -> None:
    """Wherever it is cut, all whole lines before count, and one sentence names the file's last line."""
    content = b"".join(line(body(n) | {"r": os.urandom(9).hex()}) for n in range(3000))
    packed = COMPRESSED[pack](content)
    for cut in (5, 6, 40, len(packed) // 2, len(packed) - 1):
        found = read(tmp_path, packed[:cut])
        ((place, reason),) = bad(found)
        assert reason == "its compressed content is cut off here: get the file again"
        assert place == f"line {len(bodies(found)) + 1}"
        assert [value["timestamp"] for value in bodies(found)] == list(range(len(bodies(found))))
    assert (
        len(bodies(found)) > 2000
    )  # of zstd, whose blocks are longer than gzip's; there only the end mark is gone


@pytest.mark.parametrize("pack", COMPRESSED)
def test_compression_that_is_damaged_is_told(pack: str, tmp_path: Path) -> None:
    """What stands well before the damage counts, and one sentence says where it ends."""
    content = b"".join(line(body(n) | {"r": os.urandom(9).hex()}) for n in range(9000))
    packed = bytearray(COMPRESSED[pack](content))
    at = len(packed) * 3 // 4
    packed[at : at + 50] = bytes(50)
    found = read(tmp_path, bytes(packed))
    assert bad(found)[-1][1].startswith("its compression is damaged (")
    assert len(bodies(found)) > 3000


def test_what_follows_compressed_content_must_be_so_too(tmp_path: Path) -> None:
    """Anything but another member or zeros is told, and not read."""
    found = read(tmp_path, gzip.compress(line(body(1))) + line(body(2)))
    assert bodies(found) == [body(1)]
    assert "is not compressed" in bad(found)[0][1]
