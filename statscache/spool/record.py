"""How an accepted message is written to a spool.

A record is the length and the CRC-32 of what follows, both as 32-bit little-endian numbers, then the message's body
as `marshal` writes it: of what the standard library has, the fastest that keeps all that JSON can hold (NaN, lone
surrogates, integers of any size).
"""

from __future__ import annotations

import marshal
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from statscache.errors import Rejected

HEADER = struct.Struct("<II")
#: The version of marshal's format, so that a later Python reads what this one wrote.
FORMAT = 4
#: A message nested deeper than this is not taken, so that whoever walks through one need not fear for the stack.
DEEPEST = 200
#: No record that is shorter can be nested so deeply: marshal spends five bytes on each list.
SHORT = 5 * DEEPEST
#: With what marshal begins a list and a dict: nothing is nested more deeply than there are of these.
BEGINNINGS = (b"[", b"{", bytes([ord("[") | 0x80]), bytes([ord("{") | 0x80]))


def encode(body: dict[str, Any]) -> bytes:
    """Return the record of a message's body.

    :raises Rejected: if it is nested more than `DEEPEST` deep
    """
    try:
        payload = marshal.dumps(body, FORMAT)
    except (ValueError, RecursionError):
        raise Rejected("nested too deeply") from None
    if len(payload) > SHORT and sum(map(payload.count, BEGINNINGS)) > DEEPEST and _depth(body) > DEEPEST:
        raise Rejected("nested too deeply")
    return HEADER.pack(len(payload), zlib.crc32(payload)) + payload


def _depth(value: Any) -> int:
    """Return how deeply dicts and lists are nested in the value, looking no deeper than one past `DEEPEST`."""
    level, depth = [value], 0
    while level and depth <= DEEPEST:
        inner = (item.values() if isinstance(item, dict) else item for item in level)
        level = [item for items in inner for item in items if isinstance(item, dict | list)]
        depth += 1
    return depth


def records(data: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the size and the body of each whole record at the beginning of the data."""
    offset = 0
    while offset + HEADER.size <= len(data):
        size, checksum = HEADER.unpack_from(data, offset)
        payload = data[offset + HEADER.size : offset + HEADER.size + size]
        if len(payload) < size:
            return
        try:
            body = decode(payload, checksum)
        except ValueError:
            return
        yield HEADER.size + size, body
        offset += HEADER.size + size


def is_torn(data: bytes) -> bool:
    """Return whether the data ends before the record that it begins with."""
    return len(data) < HEADER.size or len(data) < HEADER.size + HEADER.unpack_from(data)[0]


def size_of(data: bytes) -> int | None:
    """Return the size of the record that the data begins with, as its header has it; None if it is not all there."""
    if is_torn(data):
        return None
    return HEADER.size + int(HEADER.unpack_from(data)[0])


def decode(payload: bytes, checksum: int) -> dict[str, Any]:
    """Return the body that the payload of a record holds.

    :raises ValueError: if its checksum is another, or it holds anything else than a message
    """
    if not payload or zlib.crc32(payload) != checksum:
        raise ValueError("the record is damaged")
    try:
        body = marshal.loads(payload)
    except (EOFError, TypeError, ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise ValueError("the record is damaged")
    return body
