"""The answer to a request: its rows and, where that is asked for, whether each is complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from statscache.instants import END_OF_TIME
from statscache.query.columns import COMPLETE, Column
from statscache.query.completeness import Completeness, read_completeness
from statscache.query.extents import ExtentOf, extent_of_rows
from statscache.query.paging import Page, read_page
from statscache.query.question import Question, question
from statscache.query.sections import Form
from statscache.query.steps import asked_periods
from statscache.query.tables import Served


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
        form = replace(form, periods=its)
    asked = question(served, values, form)
    if "complete" not in values:
        return Answered(asked, asked.columns, read_page(connection, asked))
    extent_of = extent_of_rows(connection, served, values, form.periods)
    return _with_completeness(connection, asked, extent_of)


def _with_completeness(connection: Connection, asked: Question, extent_of: ExtentOf) -> Answered:
    """Return the answer with a column more.

    What is complete is read before the rows and after them. Rows that are counted in between are then not called
    complete too early, nor those that somebody removes too late.
    """
    before = _completeness(connection, asked)
    page = read_page(connection, asked)
    known = before, _completeness(connection, asked)
    rows = [(*row[: len(asked.columns)], _is_complete(extent_of(row), known)) for row in page.rows]
    return Answered(asked, (*asked.columns, COMPLETE), replace(page, rows=rows))


def _completeness(connection: Connection, asked: Question) -> Completeness:
    return read_completeness(connection, [asked.served.table.fullname], 0, END_OF_TIME)


def _is_complete(extent: tuple[int, int] | None, known: Sequence[Completeness]) -> bool:
    return extent is not None and all(each.covers(*extent) for each in known)
