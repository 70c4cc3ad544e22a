"""Places in an order of rows, as opaque texts.

Every text of a cursor's pattern is some place, so that there is none which the API's description allows and the API
refuses.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

LONGEST = 16_000
BIGGEST = 2**63 - 1

#: After or before a row; from the start or the end of a section.
Side = Literal["a", "b", "s", "e"]


@dataclass(frozen=True)
class Cursor:
    """Where a page begins or ends.

    :param section: which part of the order, see `statscache.query.question`
    :param seen: how many rows come before the page in the whole order
    :param numbers: those values of the row that are numbers; instants are in microseconds since 1970
    :param texts: the others
    """

    side: Side
    section: int = 0
    seen: int = 0
    numbers: tuple[int, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def backward(self) -> bool:
        """Whether the page is the one before the place."""
        return self.side in ("b", "e")

    @property
    def has_place(self) -> bool:
        """Whether the place is a row."""
        return self.side in ("a", "b")


class Cursors:
    """The cursors of one table.

    :param ident: the plugin, whose cursors no other's are
    :param numbers: how many values of a place are numbers, at most
    """

    def __init__(self, ident: str, numbers: int) -> None:
        self._tag = f"{zlib.crc32(ident.encode()) & 0xFFFFFF:06x}"
        self._fixed = struct.Struct(f">IB{numbers}q")
        self._numbers = numbers
        least = -(-self._fixed.size // 3) * 4
        self.pattern = f"^{self._tag}[abse][A-Za-z0-9_-]{{{least}}}([A-Za-z0-9_-]{{4}})*$"
        self._compiled = re.compile(self.pattern)

    @property
    def schema(self) -> dict[str, Any]:
        """What a cursor is, for the API's description."""
        return {"type": "string", "pattern": self.pattern, "maxLength": LONGEST}

    def write(self, cursor: Cursor) -> str:
        """Return a cursor as a text."""
        numbers = [*cursor.numbers, *[0] * (self._numbers - len(cursor.numbers))]
        data = self._fixed.pack(min(cursor.seen, 2**32 - 1), cursor.section, *map(_fitted, numbers))
        data += b"".join(text.encode() + b"\0" for text in cursor.texts)
        data += b"\0" * (-len(data) % 3)
        return self._tag + cursor.side + base64.urlsafe_b64encode(data).decode()

    def read(self, text: str) -> Cursor:
        """Return the cursor that a text is.

        :raises ValueError: with what was expected
        """
        if len(text) > LONGEST or not self._compiled.fullmatch(text):
            raise ValueError("one from a Link header of this plugin's rows")
        start = len(self._tag) + 1
        try:
            data = base64.urlsafe_b64decode(text[start:])
        except binascii.Error:
            raise ValueError("one from a Link header of this plugin's rows") from None
        seen, section, *numbers = self._fixed.unpack_from(data)
        texts = [part.decode("utf-8", "replace") for part in data[self._fixed.size :].split(b"\0")]
        side: Any = text[start - 1]
        return Cursor(side, section, seen, tuple(numbers), tuple(texts))


def texts_of(cursor: Cursor, count: int) -> Sequence[str]:
    """Return the texts of a place that has so many."""
    return [*cursor.texts, *[""] * count][:count]


def _fitted(number: int) -> int:
    return max(-BIGGEST, min(number, BIGGEST))
