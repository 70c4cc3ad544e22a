"""Messages from files: JSON lines and datagrepper's pages, plain, gzip or zstd."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from statscache.history.bodies import Body
from statscache.history.files.decompress import Decompressed
from statscache.history.files.json_stream import PAGE, BadLine, documents, is_page

#: Stands for standard input.
STDIN = Path("-")


class FilePlace(NamedTuple):
    """Where in a file a message is: in a line, or in a page, by number from 1; as a size, how many lines and pages."""

    line: int
    page: int = 0
    message: int = 0

    def __str__(self) -> str:
        return f"page {self.page}, message {self.message}" if self.page else f"line {self.line}"


@dataclass(frozen=True)
class FilePart:
    """FilePart of a file, by default all of it, whatever is added to it meanwhile.

    :param path: of a file with, one after another, messages in any form that `as_sent` knows, objects with a
        `message`, or pages; `-` for standard input
    :param start: its first byte, where a line begins
    :param stop: the byte after its last, where another line begins; None for the file's end
    """

    path: Path
    start: int = 0
    stop: int | None = None

    def __str__(self) -> str:
        return "standard input" if self.path == STDIN else str(self.path)


class FileReading:
    """One way through a part of a file."""

    def __init__(self, part: FilePart) -> None:
        self._part = part
        #: How much was read so far; the lines are known where the part has an end.
        self.size = FilePlace(0)

    def messages(self) -> Iterator[tuple[FilePlace, Body | BadLine, int]]:
        """Yield its messages, in their order.

        Each comes with its place in the part, and with how many bytes of the part, compressed as it may be, were read
        so far. Instead of a message that cannot be had, why.
        """
        pages = 0
        with _opened(self._part) as file:
            content = Decompressed(file)
            for number, value in documents(content):
                if type(value) is dict and "topic" in value:
                    yield FilePlace(number), value, content.position
                elif is_page(value):
                    pages += 1
                    for index, item in enumerate(value[PAGE], start=1):
                        yield FilePlace(number, pages, index), message_of(item), content.position
                else:
                    yield FilePlace(number), message_of(value), content.position
        self.size = FilePlace(file.lines if isinstance(file, _Limited) else 0, pages)


class _Limited(io.RawIOBase):
    """A file that ends earlier than it does, and that counts its lines."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size
        self.lines = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        self.lines += data.count(b"\n")
        return data


@contextmanager
def _opened(part: FilePart) -> Iterator[IO[bytes]]:
    """Open a file such that reading does not wait for more than there is."""
    is_stdin = part.path == STDIN
    with open(0 if is_stdin else part.path, "rb", buffering=0, closefd=not is_stdin) as file:
        if part.start:
            file.seek(part.start)
        yield file if part.stop is None else _Limited(file, part.stop - part.start)  # type: ignore[misc]  # it can read


def message_of(value: Any) -> Body | BadLine:
    """Return the message that a JSON value is, or that it has as its `message`."""
    if isinstance(value, dict) and "topic" not in value and isinstance(value.get("message"), dict):
        value = value["message"]
    if isinstance(value, BadLine | dict):
        return value
    return BadLine(
        "not a message: expected an object with topic, msg and timestamp, or topic, body and headers"
    )
