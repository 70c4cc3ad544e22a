"""Messages from files: lines and pages, plain, gzip and zstd."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.files import COMPRESSED, PACKS, bodies, body, line, page, pretty, read

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


def test_a_large_message_is_read(tmp_path: Path) -> None:
    """A body of several megabytes, with signs that fall on any border, is whole."""
    large = body(1) | {"msg": "ü€😀\n" * 700_000}
    content = json.dumps(large, ensure_ascii=False).encode() + b"\n" + line(body(2))
    assert [value for _, value in read(tmp_path, content)] == [large, body(2)]


READ_STDIN = """
from statscache.history.files.messages import *
part = FilePart(STDIN)
for place, body, _ in FileReading(part).messages():
    print(f"{part}, {place}", body["msg_id"])
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
