"""Pages of an answer, and where the next and the previous one are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, func, select

from statscache.query.cursors import Cursor
from statscache.query.keyset import place_of
from statscache.query.parameters import PAGES
from statscache.query.question import Question


@dataclass(frozen=True)
class Page:
    """Rows, newest or greatest first unless asked otherwise.

    :param number: which page it is, if it was asked for by number
    :param count: how many pages there are, or `PAGES` if there are more, if it was asked for by number
    """

    rows: Sequence[Sequence[Any]]
    next: Cursor | None
    previous: Cursor | None
    number: int | None = None
    count: int | None = None


def read_page(connection: Connection, question: Question) -> Page:
    """Return the page that is asked for."""
    reading = _Reading(connection, question)
    if question.page is None:
        return reading.page(question.cursor)
    counts = reading.count()
    cursor, skip = question.cursor, (question.page - 1) * question.sections[question.cursor.section].size
    if cursor.side == "s" and cursor.section == 0:
        cursor, skip = _find(question, counts)
    page = reading.page(reading.skipped(cursor, skip) if skip else cursor)
    return replace(page, number=question.page, count=_count_pages(question, counts))


def _find(question: Question, counts: Sequence[int]) -> tuple[Cursor, int]:
    """Return the start of the section in which a numbered page is, and how many rows of that come before it."""
    before, seen, last = (question.page or 1) - 1, 0, len(counts) - 1
    for index, (section, count) in enumerate(zip(question.sections, counts, strict=True)):
        pages = -(-count // section.size)
        if before < pages or index == last:
            break
        before, seen = before - pages, seen + count
    return Cursor("s", index, seen), before * section.size


def _count_pages(question: Question, counts: Sequence[int]) -> int:
    """Return how many pages there are: at least one, which may be empty, and at most `PAGES`."""
    pages, left = 0, sum(counts) if question.limit is None else question.limit
    for section, count in zip(question.sections, counts, strict=True):
        pages += -(-min(count, left) // section.size)
        left -= min(count, left)
    return max(1, min(pages, PAGES))


class _Reading:
    def __init__(self, connection: Connection, question: Question) -> None:
        self._connection = connection
        self._question = question
        self._sections = question.sections

    def page(self, cursor: Cursor) -> Page:
        """Return the page at a place."""
        return self._before(cursor) if cursor.backward else self._after(cursor)

    def skipped(self, cursor: Cursor, skip: int) -> Cursor:
        """Return the place that so many rows are before; past the last row, if there are fewer."""
        section, backward = self._sections[cursor.section], cursor.backward
        place = cursor if cursor.has_place else None
        row = self._connection.execute(section.places(place, backward, 1, skip - 1)).first()
        if row is None:
            row = self._connection.execute(section.places(None, not backward, 1, 0)).first()
        if row is None:
            return cursor
        seen = max(0, cursor.seen - skip) if backward else cursor.seen + skip
        return place_of(row, section.keys, "b" if backward else "a", cursor.section, seen)

    def count(self) -> list[int]:
        """Return how many rows each section has, as far as pages have numbers."""
        counts: list[int] = []
        for section in self._sections:
            most = PAGES * section.size + 1 + sum(counts)
            there = select(func.count()).select_from(section.all().limit(most).subquery())
            counts.append((self._connection.scalar(there) or 0) - sum(counts))
        return counts

    def _after(self, cursor: Cursor) -> Page:
        section, index, seen = self._sections[cursor.section], cursor.section, cursor.seen
        limit = self._question.limit
        count = section.size if limit is None else max(0, min(section.size, limit - seen))
        rows = self._rows(cursor, count + 1) if count else []
        more, rows = len(rows) > count, rows[:count]
        end = seen + len(rows)
        if limit is not None and end >= limit:
            following = None
        elif more:
            following = place_of(rows[-1], section.keys, "a", index, end)
        else:
            following = self._start_of(index + 1, end)
        return Page(rows, following, self._previous(cursor, rows))

    def _previous(self, cursor: Cursor, rows: list[Row[Any]]) -> Cursor | None:
        """Return where the page before one ends, None if it is the first."""
        index, seen = cursor.section, cursor.seen
        if not cursor.has_place:
            return Cursor("e", index - 1, seen) if index else None
        if rows:
            return place_of(rows[0], self._sections[index].keys, "b", index, seen)
        return Cursor("e", index, seen)

    def _before(self, cursor: Cursor) -> Page:
        section, index, seen = self._sections[cursor.section], cursor.section, cursor.seen
        count = section.size if self._question.limit is None else min(section.size, seen)
        rows = self._rows(cursor, count + 1) if count else []
        more, rows = len(rows) > count, rows[:count][::-1]
        if not rows:
            return Page([], self._start_of(index, 0), None)
        start = max(0, seen - len(rows))
        following = None if cursor.has_place else self._start_of(index + 1, seen)
        following = following or place_of(rows[-1], section.keys, "a", index, seen)
        if more:
            return Page(rows, following, place_of(rows[0], section.keys, "b", index, start))
        return Page(rows, following, Cursor("e", index - 1, start) if index else None)

    def _rows(self, cursor: Cursor, count: int) -> list[Row[Any]]:
        place = cursor if cursor.has_place else None
        part = self._sections[cursor.section].part
        return list(self._connection.execute(part(place, cursor.backward, count, 0)))

    def _start_of(self, index: int, seen: int) -> Cursor | None:
        """Return the start of a section, None if there is nothing in it."""
        if index >= len(self._sections):
            return None
        section = self._sections[index]
        there = self._connection.execute(section.places(None, False, 1, 0)).first()
        return None if there is None else Cursor("s", index, seen)
