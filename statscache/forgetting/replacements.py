"""Whose names are replaced, and by what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import ColumnElement, Text, func, literal

from statscache.messages.pseudonyms import ESCAPE, LETTERS, Pseudonyms, hash_of, words_in

#: The names are hashed to be looked up in documents; the key is of no use to anybody afterwards.
KEY = b"\0" * 32


@dataclass(frozen=True)
class Replacement:
    """A name, and what is written instead."""

    old: str
    new: str

    @property
    def is_word(self) -> bool:
        """Whether the name can be a part of a text."""
        return words_in(self.old) > 0

    def is_in(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        """Return whether the name is a part of a text, as a word of it."""
        return (func.strpos(column, self.old) > 0) & column.regexp_match(self._pattern)

    def replaced_in(self, column: ColumnElement[str]) -> ColumnElement[str]:
        """Return a text in which the name is replaced where it is a word."""
        return func.regexp_replace(column, self._pattern, self.new.replace("\\", "\\\\"), "g")

    def instead_of(self, column: ColumnElement[str]) -> str:
        """Return what is written instead of a text that is the name."""
        return self.new

    def begins(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        """Return whether a text is an address that begins with the name."""
        return func.starts_with(column, f"{self.old}@")

    def in_address(self, column: ColumnElement[str]) -> ColumnElement[str]:
        """Return such an address in which the name is replaced."""
        return literal(self.new, Text).concat(func.substr(column, len(self.old) + 1))

    @property
    def _pattern(self) -> str:
        return f"(?:(?<!{LETTERS})|(?<={ESCAPE})){re.escape(self.old)}(?!{LETTERS})"


@dataclass(frozen=True)
class Replacements:
    """All names that are replaced at once."""

    each: Sequence[Replacement]

    @cached_property
    def pseudonyms(self) -> Pseudonyms:
        """The same for texts that are looked at here and not by the database."""
        made = Pseudonyms()
        words = max((words_in(its.old) for its in self.each), default=0)
        made.set(1, KEY, {hash_of(KEY, its.old): its.new for its in self.each}, words)
        return made
