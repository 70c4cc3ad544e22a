"""Messages from files: lines and pages, plain, gzip and zstd."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from statscache.history.files import json_stream as documents
from statscache.history.files.json_stream import BadLine
from statscache.history.files.messages import messages

Pack = Callable[[bytes], bytes]
SKIPPABLE = b"\x53\x2a\x4d\x18\x03\0\0\0abc"


def halves(pack: Pack) -> Pack:
    """Compress a text as two members."""
    return lambda data: pack(data[: len(data) // 2]) + pack(data[len(data) // 2 :])


PACKS: dict[str, Pack] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
    "gzip twice": halves(gzip.compress),
    "zstd twice": halves(zstandard.compress),
    "zstd and gzip": lambda data: zstandard.compress(data) + gzip.compress(b"") + b"\0" * 700,
    "zstd with other frames": lambda data: SKIPPABLE + zstandard.compress(data) + SKIPPABLE,
    "zstd without its size": lambda data: zstandard.ZstdCompressor(write_content_size=False).compress(data),
}
COMPRESSED: dict[str, Pack] = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,  # as the command zstd has it
}


def body(n: int) -> dict[str, Any]:
    """Return a message."""
    return {"topic": "org.fedoraproject.prod.git.receive", "timestamp": n, "msg": {"n": n}, "msg_id": str(n)}


def page(*bodies: Any) -> dict[str, Any]:
    """Return a page as datagrepper gives it."""
    return {"arguments": {"page": 1}, "count": len(bodies), "pages": 9, "raw_messages": list(bodies)}


def line(value: Any) -> bytes:
    """Return a line of JSON."""
    return json.dumps(value).encode() + b"\n"


def pretty(value: Any, indent: int = 1) -> bytes:
    """Return JSON over many lines, without a line break at its end."""
    return json.dumps(value, indent=indent).encode()


def read(directory: Path, content: bytes) -> list[tuple[str, Any]]:
    """Return each message, or what is said instead, with its place."""
    path = directory / "f"
    path.write_bytes(content)
    found = list(messages(path))
    positions = [position for _, _, position in found]
    assert positions == sorted(positions)
    assert not positions or positions[-1] <= len(content)
    return [
        (place.removeprefix(f"{path}, "), str(value) if isinstance(value, BadLine) else value)
        for place, value, _ in found
    ]


def bodies(found: list[tuple[str, Any]]) -> list[Any]:
    """Return the messages without what is bad."""
    return [value for _, value in found if isinstance(value, dict)]


def bad(found: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    """Return what is bad."""
    return [(place, value) for place, value in found if isinstance(value, str)]


TEXTS = st.text(st.characters(), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
BODIES = st.fixed_dictionaries({"topic": TEXTS, "msg": VALUES, "timestamp": st.floats(0, 2e9)})
PIECES = st.one_of(
    BODIES.map(lambda body: ([body], "line")),
    BODIES.map(lambda body: ([body], "wrapped")),
    st.tuples(st.lists(BODIES, max_size=4), st.sampled_from(["page", "pretty", "flat", "tabs", "windows"])),
)


def written(bodies: list[Any], form: str, ascii: bool) -> str:
    """Return messages in one of the forms in which files have them."""
    if form in ("line", "wrapped"):
        value = bodies[0] if form == "line" else {"n": 1, "message": bodies[0]}
        return json.dumps(value, ensure_ascii=ascii)
    indent = {"page": None, "pretty": 2, "flat": 0, "tabs": "\t", "windows": 1}[form]
    text = json.dumps(page(*bodies), ensure_ascii=ascii, indent=indent)
    return text.replace("\n", "\r\n") if form == "windows" else text


@settings(max_examples=120, deadline=None)
@given(
    pieces=st.lists(st.tuples(PIECES, st.sampled_from(["\n", "\n", "", "\r\n", "\n\n", " "])), max_size=8),
    pack=st.sampled_from(sorted(PACKS)),
    ascii=st.booleans(),
    mark=st.booleans(),
)
def test_what_was_written_comes_back(
    pieces: Any, pack: str, ascii: bool, mark: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Messages come back the same and in order, however they lie in the file and are compressed."""
    text = "".join(written(found, form, ascii) + gap for (found, form), gap in pieces)
    content = ("\ufeff" * mark + text).encode("utf-8", "surrogatepass")
    found = read(tmp_path_factory.mktemp("files"), PACKS[pack](content))
    assert [value for _, value in found] == [body for (bodies, _), _ in pieces for body in bodies]


@settings(max_examples=60, deadline=None)
@given(
    content=st.lists(
        st.sampled_from(
            [
                b"{",
                b"}",
                b"\n",
                b" ",
                b"[",
                b"]",
                b'"a":',
                b",",
                b'"',
                b"\xff",
                b"x",
                line(body(1)),
                pretty(page()),
            ]
        ),
        max_size=14,
    ).map(b"".join),
    cut=st.integers(0, 12),
    pack=st.sampled_from(sorted(PACKS)),
)
def test_rubbish_neither_fails_nor_hides_what_follows(
    content: bytes, cut: int, pack: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever comes before, the messages in two good lines at the end are found."""
    packed = PACKS[pack](content + b"\n" + line(body(2)) + line(body(3)))
    directory = tmp_path_factory.mktemp("files")
    assert bodies(read(directory, packed))[-2:] == [body(2), body(3)]
    read(directory, packed[: len(packed) - cut])


def test_a_real_page_is_read(shared: Path, tmp_path: Path) -> None:
    """The answer of a real datagrepper, once or three times without a break, gives all messages with their places."""
    content = (shared / "data" / "datagrepper_page.json").read_bytes()
    expected = json.loads(content)["raw_messages"]
    assert [value for _, value in read(tmp_path, content)] == expected
    found = read(tmp_path, zstandard.compress(content * 3))
    assert [value for _, value in found] == expected * 3
    assert [found[n][0] for n in (0, 30, 74)] == [
        "page 1, message 1",
        "page 2, message 6",
        "page 3, message 25",
    ]


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
    assert reason.endswith("and not read: get it anew")
    assert [value["timestamp"] for value in bodies(found)] == [0, 1, 3, 4][: 4 if after else 2]


def test_a_page_that_is_damaged_is_one_error(tmp_path: Path) -> None:
    """A byte that is wrong early in a long page costs this page alone, and the error names its line."""
    damaged = pretty(page(*map(body, range(20_000)))).replace(b'"n": 7\n', b'"n": \xff\n')
    found = read(tmp_path, line(body(0)) + damaged + b"\n" + line(body(1)))
    ((place, reason),) = bad(found)
    assert place == "line 2"
    assert "byte 0xff" in reason
    assert len(bodies(found)) == 2


@pytest.mark.parametrize("pack", COMPRESSED)
def test_compression_that_is_cut_off_is_told(pack: str, tmp_path: Path) -> None:
    """Wherever it is cut, all whole lines before count, and one sentence names the file's last line."""
    content = b"".join(line(body(n) | {"r": os.urandom(9).hex()}) for n in range(3000))
    packed = COMPRESSED[pack](content)
    for cut in (5, 6, 40, len(packed) // 2, len(packed) - 1):
        found = read(tmp_path, packed[:cut])
        ((place, reason),) = bad(found)
        assert reason == "its compressed content is cut off here: get the file anew"
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


@pytest.mark.parametrize("pack", ["plain", *COMPRESSED])
def test_a_huge_line_takes_no_memory(pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line past the limit is told by its number, in memory of that order, and the rest is read."""
    monkeypatch.setattr(documents, "LONGEST", 4 << 20)
    huge = b'{"topic": "' + b"x" * (100 << 20) + b'"}\n'
    (tmp_path / "f").write_bytes(PACKS[pack](line(body(1)) + huge + line(body(2))))
    del huge
    tracemalloc.start()
    found = list(messages(tmp_path / "f"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [place.rpartition(", ")[2] for place, _, _ in found] == ["line 1", "line 2", "line 3"]
    assert str(found[1][1]) == "what begins here is longer than 4 MiB: leave it out"
    assert peak < 80 << 20


def test_a_long_line_of_pages_is_read_page_by_page(tmp_path: Path) -> None:
    """Pages without a line break between them are no long line, and are in memory a few at a time."""
    text = json.dumps(page(*map(body, range(100)))).encode()
    (tmp_path / "f").write_bytes(text * 500)
    tracemalloc.start()
    count = sum(isinstance(value, dict) for _, value, _ in messages(tmp_path / "f"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 50_000
    assert peak < 30 << 20


def test_a_large_message_is_read(tmp_path: Path) -> None:
    """A body of several megabytes, with signs that fall on any border, is whole."""
    large = body(1) | {"msg": "ü€😀\n" * 700_000}
    content = json.dumps(large, ensure_ascii=False).encode() + b"\n" + line(body(2))
    assert [value for _, value in read(tmp_path, content)] == [large, body(2)]


READ_STDIN = """
from statscache.history.files.messages import *
for place, body, _ in messages(STDIN):
    print(place, body["msg_id"])
"""


@pytest.mark.parametrize("pack", ["plain", *COMPRESSED])
def test_standard_input_is_read_as_it_comes(pack: str) -> None:
    """`-` is standard input, in small pieces too, and compressed too."""
    packed = PACKS[pack](line(body(1)) + pretty(page(body(2))))
    process = subprocess.Popen(
        [sys.executable, "-c", READ_STDIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin
    for n in range(0, len(packed), 3):
        os.write(process.stdin.fileno(), packed[n : n + 3])
    output, _ = process.communicate(timeout=20)
    assert output.decode().splitlines() == ["standard input, line 1 1", "standard input, page 1, message 1 2"]
