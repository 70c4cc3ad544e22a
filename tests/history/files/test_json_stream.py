"""The JSON values of a file: what is bad is told with its place, and the rest is read, in little memory."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from statscache.history.files import json_stream as documents
from statscache.history.files.messages import FilePart, FileReading
from tests.support.files import COMPRESSED, PACKS, bad, bodies, body, line, page, pretty, read


def test_places_are_lines_and_pages(tmp_path: Path) -> None:
    """Lines count through what spans several of them; pages have numbers of their own."""
    content = line(body(1)) + b"\n" + pretty(page(body(2))) + line(page(7, body(3))) + b"[]\n" + line(body(4))
    lines = content.count(b"\n")
    assert [place for place, _ in read(tmp_path, content)] == [
        *("line 1", "page 1, message 1", "page 2, message 1", "page 2, message 2"),
        *(f"line {lines - 1}", f"line {lines}"),
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{", "not JSON (Expecting property name enclosed in double quotes: line "),
        (b'{"topic": ', "not JSON (Expecting value: line "),
        (line(body(9))[:-1] + b" x", "not JSON (Extra data: line 1 column"),
        (b'"\xff"', "not JSON ('utf-8' codec can't decode byte 0xff in position 1: invalid start byte)"),
        (b"[" * 100_000, "not JSON ("),
        (b"1" * 5000, "not JSON (Exceeds the limit"),
        (b"[1]", "not a message: expected an object with topic, msg and timestamp"),
    ],
    ids=lambda value: str(value[:12]),
)
@pytest.mark.parametrize("end", [b"\n", b"\n\n", b"\n" + line(body(2)) * 5])
def test_a_bad_line_is_told_and_the_rest_read(
    content: bytes, expected: str, end: bytes, tmp_path: Path
) -> None:
    """It stands for itself alone, also where it could have been the beginning of a value over many lines."""
    found = read(tmp_path, line(body(1)) + content + end)
    assert [place for place, _ in bad(found)] == ["line 2"]
    assert bad(found)[0][1].startswith(expected)
    assert len(bodies(found)) == 1 + end.count(b"topic")


@pytest.mark.parametrize("after", [b"", b"\n" + pretty(page(body(3))) + b"\n" + line(body(4))])
@pytest.mark.parametrize("indent", [1, 4])
def test_a_page_that_is_cut_off_is_one_error(after: bytes, indent: int, tmp_path: Path) -> None:
    """One sentence names where it begins; what comes before and after counts."""
    first = pretty(page(body(1)))
    cut = pretty(page(*map(body, range(20_000))), indent)[:-60]
    found = read(tmp_path, line(body(0)) + first + cut + after)
    at = 1 + 1 + first.count(b"\n")
    ((place, reason),) = bad(found)
    assert place == f"line {at}"
    assert reason.startswith("the page that begins here is ")
    assert reason.endswith("and was not read: get it again")
    assert [value["timestamp"] for value in bodies(found)] == [0, 1, 3, 4][: 4 if after else 2]


def test_a_page_that_is_damaged_is_one_error(tmp_path: Path) -> None:
    """A byte that is wrong early in a long page costs this page alone, and the error names its line."""
    damaged = pretty(page(*map(body, range(20_000)))).replace(b'"n": 7\n', b'"n": \xff\n')
    found = read(tmp_path, line(body(0)) + damaged + b"\n" + line(body(1)))
    ((place, reason),) = bad(found)
    assert place == "line 2"
    assert "byte 0xff" in reason
    assert len(bodies(found)) == 2


@pytest.mark.parametrize("pack", ["plain", *COMPRESSED])
def test_a_huge_line_takes_no_memory(pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line past the limit is told by its number, in memory of that order, and the rest is read."""
    monkeypatch.setattr(documents, "LONGEST", 4 << 20)
    huge = b'{"topic": "' + b"x" * (100 << 20) + b'"}\n'
    (tmp_path / "f").write_bytes(PACKS[pack](line(body(1)) + huge + line(body(2))))
    del huge
    tracemalloc.start()
    found = list(FileReading(FilePart(tmp_path / "f")).messages())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [str(place) for place, _, _ in found] == ["line 1", "line 2", "line 3"]
    assert str(found[1][1]) == "what begins here is longer than 4 MiB: remove it"
    assert peak < 80 << 20


def test_a_long_line_of_pages_is_read_page_by_page(tmp_path: Path) -> None:
    """Pages without a line break between them are no long line, and are in memory a few at a time."""
    text = json.dumps(page(*map(body, range(100)))).encode()
    (tmp_path / "f").write_bytes(text * 500)
    tracemalloc.start()
    count = sum(isinstance(value, dict) for _, value, _ in FileReading(FilePart(tmp_path / "f")).messages())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 50_000
    assert peak < 30 << 20
