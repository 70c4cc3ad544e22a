"""The JSON values of a file: one on each line, over many lines, or one right after another."""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from statscache.errors import StatscacheError
from statscache.history.files.decompress import Decompressed

#: A line or a value longer than so many bytes is not taken.
LONGEST = 64 << 20
#: A longer line is read in parts of so many bytes, since it may be many values without a break.
PART = 1 << 20
#: So many bytes more are read at once when a value goes on after its first line; each time that they are too few,
#: so many times what there is.
AHEAD, GROWTH = 1 << 18, 3
BLANK = re.compile(r"[ \t\n\r]*")
DECODER = json.JSONDecoder()
#: What a page has, and hardly anything else.
PAGE = "raw_messages"
#: What the lines of a page that spans lines begin with, but for its first, and such a page.
INNER = (b" ", b"\t", b"\r", b"\n", b"}", b"]")
BLOCK = re.compile(rb"[^\n]*\n?([ \t\r\n}\]][^\n]*\n?)*")


class BadLine(StatscacheError):
    """A line that holds no message; the text says why."""


class Lines:
    """The lines of a file with their numbers; what was read too far can be given back."""

    def __init__(self, file: Decompressed) -> None:
        self._file = io.BufferedReader(file, 1 << 16)
        self._back: io.BytesIO | None = None
        #: The number of the line that is read next, or on, from 1.
        self.number = 1
        #: Whether what was read last is not yet the whole of its line.
        self.open = False

    def next(self) -> bytes:
        """Return the next line, or PART bytes of it; nothing at the end."""
        return self._noted(self._line())

    def read(self, size: int) -> bytes:
        """Return so many bytes and the rest of the line after them, or PART bytes of it; nothing at the end."""
        text = self._back.read(size) if self._back else b""
        text += self._file.read(size - len(text))
        return self._noted(text + self._line())

    def _line(self) -> bytes:
        line = self._back.readline() if self._back else b""
        if not line.endswith(b"\n"):
            self._back = None
            line += self._file.readline(PART)
        return line

    def _noted(self, text: bytes) -> bytes:
        self.number += text.count(b"\n")
        self.open = not text.endswith(b"\n") and bool(self._file.peek(1))
        return text

    def give_back(self, text: bytes) -> None:
        """Have this, which was read last, come next again."""
        self.number -= text.count(b"\n")
        self._back = io.BytesIO(text + (self._back.read() if self._back else b""))

    def skip(self) -> None:
        """Pass over the rest of the line that was read last."""
        while self.open:
            self.next()

    def skip_block(self) -> None:
        """Pass over lines until one in which a page could begin."""
        while (line := self.next()).startswith(INNER):
            self.skip()
        self.give_back(line)


@dataclass
class Found:
    """What a text begins with in the way of JSON values.

    :param number: of the line in which the rest begins
    :param values: each with the number of the line in which it begins
    :param rest: what is no JSON value, or not a whole one
    :param unfinished: whether the rest could become one if more lines followed
    :param reason: why the rest is none
    """

    number: int
    values: list[tuple[int, Any]] = field(default_factory=list)
    rest: bytes = b""
    unfinished: bool = False
    reason: str = ""


def find(raw: bytes, number: int) -> Found:
    """Decode the JSON values that a text begins with, whose first line has that number."""
    raw = raw.removeprefix(codecs.BOM_UTF8)
    text, failure = _decode(raw)
    found = Found(number)
    start = end = 0
    try:
        while (start := BLANK.match(text, end).end()) < len(text):  # type: ignore[union-attr]  # it always matches
            found.number += text.count("\n", end, start)
            value, end = DECODER.raw_decode(text, start)
            found.values.append((found.number, value))
            found.number += text.count("\n", start, end)
    except json.JSONDecodeError as error:
        line = found.number + text.count("\n", start, error.pos)
        found.reason = f"{error.msg} in line {line}"
        found.unfinished = failure is None and not text[error.pos :].strip()
    except (ValueError, RecursionError) as error:
        found.reason = str(error)
    if found.reason or failure:
        found.reason = str(failure or found.reason)
        found.rest = raw[len(text[:start].encode("utf-8", "surrogatepass")) :]
    return found


def _decode(raw: bytes) -> tuple[str, UnicodeDecodeError | None]:
    """Return the text as far as it is UTF-8, in which json takes lone surrogates too, and why it ends there."""
    try:
        return raw.decode("utf-8", "surrogatepass"), None
    except UnicodeDecodeError as error:
        return raw[: error.start].decode("utf-8", "surrogatepass"), error


def documents(file: Decompressed) -> Iterator[tuple[int, Any]]:
    """Yield the JSON values of a file, each with the number of the line in which it begins, from 1.

    What is none comes as a BadLine. In memory is a line or, where values span lines, a few values.
    """
    lines = Lines(file)
    while line := lines.next():
        number = lines.number - line.endswith(b"\n")
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            if line.strip():
                yield from _spread(number, line, f"not JSON ({error})", lines, file)
            continue
        yield number, value
    if file.failure:
        yield lines.number, BadLine(file.failure)


def _spread(
    number: int, line: bytes, reason: str, lines: Lines, file: Decompressed
) -> Iterator[tuple[int, Any]]:
    """Yield what a line that is not just one value begins with, reading on as far as that takes."""
    text, found = line, find(line, number)
    while not _splits(found, lines.open or text is not line):
        more = b""
        if (found.unfinished or lines.open) and len(text) <= LONGEST:
            more = lines.read(max(AHEAD, GROWTH * len(text)))
        if not more:
            break
        text += more
        found = find(text, number)
    else:
        yield from found.values
        lines.give_back(found.rest)
        return
    block = _block(text)
    if not (file.failure and (found.unfinished or not text.endswith(b"\n"))):  # else that failure is told
        yield number, BadLine(_reason(text, block, found) or reason)
    _go_on(text, block, lines)


def _splits(found: Found, several: bool) -> bool:
    """Return whether to take the values found and look at the rest anew.

    A line with a message and rubbish after it is bad as a whole; pages are worth more than that.

    :param several: whether the text is not just one line
    """
    if not found.rest:
        return True
    several = several or found.unfinished
    return bool(found.values) and (several or any(is_page(value) for _, value in found.values))


def _block(text: bytes) -> bytes:
    """Return as much of a text as could be one page, if it begins with one."""
    match = BLOCK.match(text)
    return match.group() if match else b""


def _reason(text: bytes, block: bytes, found: Found) -> str | None:
    """Return why a text has no value at its start, None if that is its first line's fault alone."""
    if len(text) > LONGEST:
        return f"what begins here is longer than {LONGEST >> 20} MiB: remove it"
    if PAGE.encode() not in block:
        return None
    cut = "is cut off" if found.unfinished else f"is not JSON ({found.reason})"
    return f"the page that begins here {cut} and was not read: get it again"


def _go_on(text: bytes, block: bytes, lines: Lines) -> None:
    """Go on after the first line of a text, or after the page that it begins with."""
    _, line_break, rest = text.partition(b"\n")
    lines.give_back(rest)
    if not line_break:
        lines.skip()
    elif PAGE.encode() in block:
        lines.skip_block()


def is_page(value: Any) -> bool:
    """Return whether a value is a page of datagrepper's."""
    return isinstance(value, dict) and "topic" not in value and isinstance(value.get(PAGE), list)
