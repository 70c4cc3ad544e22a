"""What is written instead of the names of people who are forgotten, or have another name now.

The names themselves are nowhere: each is looked up by its HMAC-SHA-256, whose key is outside the database. So a text
can be asked for names only word by word. Words are of letters and digits; a name may be several of them.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

#: Of so many texts it is remembered what is written instead.
REMEMBERED = 65_536
#: What is written instead of a forgotten name: unlike any other, and drawn at random.
TOKEN = re.compile(r"forgotten-[0-9a-f]{20}")
#: How people read it.
FORGOTTEN = "(forgotten)"
#: The characters of words: letters and digits of ASCII, and all that is not ASCII. PostgreSQL reads it alike.
LETTERS = r"[^\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007f]"
#: An id with no name in it, as nearly all are.
_is_nameless = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
#: What ends a line in a text that is written as programs write it: its letter is none of the next word.
ESCAPE = r"\\[nrt]"
_words = re.compile(f"{ESCAPE}|(?P<word>{LETTERS}+)").finditer


def hash_of(key: bytes, name: str) -> str:
    """Return what a name is known by."""
    return hmac.digest(key, name.encode("utf-8", "surrogatepass"), "sha256").hex()


def _spans(text: str) -> list[tuple[int, int]]:
    """Return where words begin and end."""
    return [match.span() for match in _words(text) if match["word"]]


def readable(name: str) -> str:
    """Return a name as people read it."""
    return FORGOTTEN if TOKEN.fullmatch(name) else name


def words_in(name: str) -> int:
    """Return how many words a name has; 0 if it does not begin and end with one, so that it is no part of a text."""
    spans = _spans(name)
    return len(spans) if spans and (spans[0][0], spans[-1][1]) == (0, len(name)) else 0


class Pseudonyms:
    """What is written instead of names. Safe to read from any thread while another sets it."""

    def __init__(self) -> None:
        self._list = _List(0, b"", {}, 0)

    @property
    def number(self) -> int:
        """The number of the latest entry; 0 as long as nobody is forgotten."""
        return self._list.number

    def __bool__(self) -> bool:
        return bool(self._list.instead)

    def set(self, number: int, key: bytes, instead: Mapping[str, str], words: int) -> None:
        """Replace all.

        :param instead: what is written instead of each name, by its hash
        :param words: how many words the longest of the names has
        """
        self._list = _List(number, key, dict(instead), words)

    def of(self, name: str) -> str:
        """Return what is written instead of a name: itself, unless it is in the list.

        Of an address the name is what comes before the @.
        """
        its = self._list
        if not its.instead:
            return name
        local, at, host = name.partition("@")
        return its.of(name) if not at or its.of(name) != name else f"{its.of(local)}{at}{host}"

    def within(self, text: str) -> str:
        """Return a text in which the names are replaced that are a part of it: itself if all of it is one."""
        its = self._list
        return text if not its.instead or its.of(text) != text else its.within(text)

    def throughout(self, text: str) -> str:
        """Return a text in which all names are replaced."""
        its = self._list
        return its.within(its.of(text)) if its.instead else text

    def in_json(self, value: Any) -> Any:
        """Return a value made of dicts, lists and scalars in which all names are replaced."""
        if isinstance(value, str):
            return self.throughout(value)
        if isinstance(value, Mapping):
            return {self.throughout(key): self.in_json(item) for key, item in value.items()}
        return [self.in_json(item) for item in value] if isinstance(value, list | tuple) else value

    def in_id(self, id: str) -> str:
        """Return the id of a message in which all names are replaced."""
        return self.throughout(id) if self and not _is_nameless(id) else id

    def in_document(self, text: str) -> str:
        """Return a JSON text in which all names are replaced: itself if there are none."""
        if not self:
            return text
        value = json.loads(text)
        replaced = self.in_json(value)
        return text if replaced == value else json.dumps(replaced, ensure_ascii=False)


class _List:
    """What is written instead of names, at one time."""

    def __init__(self, number: int, key: bytes, instead: Mapping[str, str], words: int) -> None:
        self.number = number
        self.instead = instead
        self._key = key
        self._words = words
        self.of = lru_cache(REMEMBERED)(self._of)

    def _of(self, name: str) -> str:
        return self.instead.get(hash_of(self._key, name), name)

    def within(self, text: str) -> str:
        spans = _spans(text)
        parts, end, place = [], 0, 0
        while place < len(spans):
            start, stop, new = self._name_at(text, spans[place : place + self._words])
            if stop:
                parts += [text[end:start], new]
                end = stop
            place = next((n for n in range(place + 1, len(spans)) if spans[n][0] >= end), len(spans))
        return "".join([*parts, text[end:]])

    def _name_at(self, text: str, spans: list[tuple[int, int]]) -> tuple[int, int, str]:
        """Return where the longest name is that begins with the first of the words, and what replaces it."""
        for _, stop in reversed(spans):
            start = spans[0][0]
            new = self.of(text[start:stop])
            if new != text[start:stop]:
                return start, stop, new
        return 0, 0, ""
