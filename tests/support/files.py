"""Files of messages in every form that they come in."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zstandard

from statscache.history.files.json_stream import BadLine
from statscache.history.files.messages import FilePart, FileReading

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
    found = list(FileReading(FilePart(path)).messages())
    positions = [position for _, _, position in found]
    assert positions == sorted(positions)
    assert not positions or positions[-1] <= len(content)
    return [(str(place), str(value) if isinstance(value, BadLine) else value) for place, value, _ in found]


def bodies(found: list[tuple[str, Any]]) -> list[Any]:
    """Return the messages without what is bad."""
    return [value for _, value in found if isinstance(value, dict)]


def bad(found: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    """Return what is bad."""
    return [(place, value) for place, value in found if isinstance(value, str)]
