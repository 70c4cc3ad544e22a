"""The answer to a request: its rows and, where that is asked for, whether each is complete, and verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from statscache.instants import END_OF_TIME
from statscache.query.columns import ADDED, Column
from statscache.query.completeness import Completeness, read_completeness, versions_of
from statscache.query.extents import ExtentOf, extent_of_rows
from statscache.query.kept import lost_periods
from statscache.query.paging import Page, read_page
from statscache.query.question import Question, question
from statscache.query.sections import Form
from statscache.query.steps import asked_periods
from statscache.query.tables import Served
from statscache.query.verified import Checks, agreed_always, read_checks


@dataclass(frozen=True)
class Asking:
    """What is asked of a table.

    :param family: the tables of the same statistic, those with the longest windows first
    :param values: those of the parameters
    :param now: the present, for who asks for the time up to it
    """

    served: Served
    family: Sequence[Served]
    values: Mapping[str, Any]
    form: Form
    now: datetime


@dataclass(frozen=True)
class Answered:
    """A page of rows.

    :param columns: what each row has, in this order
    """

    question: Question
    columns: tuple[Column, ...]
    page: Page


def read_answer(connection: Connection, asking: Asking) -> Answered:
    """Return the answer.

    :raises BadQuestion: if the table cannot give it
    """
    served, values, form = asking.served, asking.values, asking.form
    if "step" in values:
        its = asked_periods(connection, asking.family, served, values, asking.now)
        form = replace(form, periods=its, lost=lost_periods(connection, served, its))
    asked = question(served, values, form)
    if "complete" not in values:
        return Answered(asked, asked.columns, read_page(connection, asked))
    extent_of = extent_of_rows(connection, served, values, form.periods, asking.now)
    return _with_completeness(connection, asked, extent_of)


def _with_completeness(connection: Connection, asked: Question, extent_of: ExtentOf) -> Answered:
    """Return the answer with what is known of each row in more columns.

    What is complete, and verified, is read before the rows and after them. Rows that are counted in between are then
    not called so too early, nor those that somebody removes too late.
    """
    before = _Known.read(connection, asked)
    page = read_page(connection, asked)
    known, latest = (before, _Known.read(connection, asked)), asked.served.latest
    rows = [(*row[: len(asked.columns)], *_added(extent_of(row), known, latest)) for row in page.rows]
    return Answered(asked, (*asked.columns, *ADDED), replace(page, rows=rows))


@dataclass(frozen=True)
class _Known:
    """What is known of a table at a time."""

    complete: Completeness
    checks: Checks

    @classmethod
    def read(cls, connection: Connection, asked: Question) -> _Known:
        table = asked.served.table.fullname
        complete = read_completeness(connection, [table], 0, END_OF_TIME)
        return cls(complete, read_checks(connection, table, 0, END_OF_TIME))


def _added(
    extent: tuple[int, int] | None, known: Sequence[_Known], latest: bool
) -> tuple[bool, datetime | None, tuple[int, ...]]:
    """Return whether a row is complete, when it was verified, and by which versions it was counted.

    :param latest: whether what was counted is the first second alone, and nothing came since
    """
    if extent is None:
        return False, None, ()
    counted = (extent[0], extent[0] + 1) if latest else extent
    versions = versions_of([each.complete for each in known], *counted)
    if not all(each.complete.covers(*extent) for each in known):
        return False, None, versions
    return True, agreed_always([each.checks for each in known], *extent), versions
