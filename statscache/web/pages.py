"""Pages of an answer, and where the next and the previous one are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, func, select

from statscache.web.cursors import Cursor
from statscache.web.parameters import PAGES
from statscache.web.places import place_of
from statscache.web.questions import Question, Section


@dataclass(frozen=True)
class Page:
    """Rows, newest or greatest first unless asked otherwise.

    :param number: which page it is, if it was asked for by number
    :param count: how many pages there are, or `PAGES` if there are more, if it was asked for by number
    """

    rows: list[Row[Any]]
    next: Cursor | None
    previous: Cursor | None
    number: int | None = None
    count: int | None = None


def read_page(connection: Connection, question: Question) -> Page:
    """Return the page that is asked for."""
    if question.page is None:
        return _Reading(connection, question).page(question.cursor, 0)
    reading = _Reading(connection, question)
    cursor, skip = question.cursor, 0
    if cursor.side == "s" and cursor.section == 0:
        cursor, skip = reading.find(question.page)
    else:
        skip = (question.page - 1) * question.sections[cursor.section].size
    page = reading.page(cursor, skip)
    return replace(page, number=question.page, count=reading.count_pages())


class _Reading:
    def __init__(self, connection: Connection, question: Question) -> None:
        self._connection = connection
        self._question = question
        self._sections = question.sections

    def page(self, cursor: Cursor, skip: int) -> Page:
        """Return the page at a place, after `skip` other rows."""
        if cursor.backward:
            return self._before(cursor, skip)
        section = self._sections[cursor.section]
        seen = cursor.seen + skip
        count = self._within_limit(section.size, seen)
        rows = self._rows(section, cursor, count + 1, skip) if count else []
        more, rows = len(rows) > count, rows[:count]
        if self._question.limit is not None and seen + len(rows) >= self._question.limit:
            following = None
        elif more:
            following = place_of(rows[-1], section.keys, "a", cursor.section, seen + len(rows))
        else:
            following = self._start_of(cursor.section + 1, seen + len(rows))
        return Page(rows, following, self._previous(cursor, skip, rows, seen))

    def _previous(self, cursor: Cursor, skip: int, rows: list[Row[Any]], seen: int) -> Cursor | None:
        """Return where the page before one ends, None if it is the first."""
        inside = cursor.has_place or skip
        if inside and rows:
            return place_of(rows[0], self._sections[cursor.section].keys, "b", cursor.section, seen)
        if inside:
            return Cursor("e", cursor.section, seen)
        return Cursor("e", cursor.section - 1, seen) if cursor.section else None

    def _before(self, cursor: Cursor, skip: int) -> Page:
        section = self._sections[cursor.section]
        seen = max(0, cursor.seen - skip)
        count = section.size if self._question.limit is None else min(section.size, seen)
        rows = self._rows(section, cursor, count + 1, skip) if count else []
        more, rows = len(rows) > count, rows[:count][::-1]
        if not rows:
            return Page([], self._start_of(cursor.section, 0), None)
        first = max(0, seen - len(rows))
        following = place_of(rows[-1], section.keys, "a", cursor.section, seen)
        if not cursor.has_place and not skip:
            following = self._start_of(cursor.section + 1, seen) or following
        if more:
            return Page(rows, following, place_of(rows[0], section.keys, "b", cursor.section, first))
        return Page(rows, following, Cursor("e", cursor.section - 1, first) if cursor.section else None)

    def find(self, number: int) -> tuple[Cursor, int]:
        """Return the section's start of a page by its number, and how many rows of the section come before it."""
        before, seen = number - 1, 0
        for index, section in enumerate(self._sections[:-1]):
            there = self._count(section)
            pages = -(-there // section.size)
            if before < pages or not there:
                return Cursor("s", index, seen), before * section.size
            before, seen = before - pages, seen + there
        last = len(self._sections) - 1
        return Cursor("s", last, seen), before * self._sections[last].size

    def count_pages(self) -> int:
        """Return how many pages there are, at most `PAGES`."""
        pages, left = 0, self._question.limit
        for section in self._sections:
            there = self._count(section) if left is None else min(self._count(section), left)
            left = None if left is None else left - there
            pages += -(-there // section.size)
        return max(1, min(pages, PAGES))

    def _count(self, section: Section) -> int:
        some = section.part(None, False, PAGES * section.size + 1, 0).subquery()
        return self._connection.scalar(select(func.count()).select_from(some)) or 0

    def _rows(self, section: Section, cursor: Cursor, count: int, skip: int) -> list[Row[Any]]:
        place = cursor if cursor.has_place else None
        return list(self._connection.execute(section.part(place, cursor.backward, count, skip)))

    def _start_of(self, index: int, seen: int) -> Cursor | None:
        """Return the start of a section, None if there is nothing in it."""
        if index >= len(self._sections):
            return None
        section = self._sections[index]
        there = self._connection.execute(section.part(None, False, 1, 0)).first()
        return None if there is None else Cursor("s", index, seen)

    def _within_limit(self, size: int, seen: int) -> int:
        limit = self._question.limit
        return size if limit is None else max(0, min(size, limit - seen))
