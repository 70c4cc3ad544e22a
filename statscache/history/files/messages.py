"""Messages from files: JSON lines and datagrepper's pages, plain, gzip or zstd."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from statscache.history.bodies import Body
from statscache.history.files.decompress import Decompressed
from statscache.history.files.json_stream import PAGE, BadLine, documents, is_page

#: Stands for standard input.
STDIN = Path("-")


def messages(path: Path) -> Iterator[tuple[str, Body | BadLine, int]]:
    """Yield the messages of a file, in its order.

    Each comes with its place, such as "FILE, line 3" or "FILE, page 2, message 5", and with how many bytes of the
    file, compressed as it may be, were read so far. Instead of a message that cannot be had, why.

    :param path: of a file with, one after another, messages in any form that `as_sent` knows, objects with a
        `message`, or pages; `-` for standard input
    """
    name = "standard input" if path == STDIN else str(path)
    pages = 0
    with _opened(path) as file:
        content = Decompressed(file)
        for number, value in documents(content):
            if type(value) is dict and "topic" in value:
                yield f"{name}, line {number}", value, content.position
            elif is_page(value):
                pages += 1
                for index, item in enumerate(value[PAGE], start=1):
                    yield f"{name}, page {pages}, message {index}", message_of(item), content.position
            else:
                yield f"{name}, line {number}", message_of(value), content.position


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file such that reading does not wait for more than there is."""
    with open(0 if path == STDIN else path, "rb", buffering=0, closefd=path != STDIN) as file:
        yield file


def message_of(value: Any) -> Body | BadLine:
    """Return the message that a JSON value is, or that it has as its `message`."""
    if isinstance(value, dict) and "topic" not in value and isinstance(value.get("message"), dict):
        value = value["message"]
    if isinstance(value, BadLine | dict):
        return value
    return BadLine(
        "not a message: expected an object with topic, msg and timestamp, or topic, body and headers"
    )
