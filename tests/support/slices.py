"""A datagrepper's rows, and what a reader makes of them."""

from __future__ import annotations

from itertools import pairwise

import urllib3

from statscache.history.archives.archive import Hole, Slice
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.span import Span
from tests.support.pages import Pages, Query, Row

START = 1_700_000_000
SPAN = Span(START, START + 100)
RETRY = urllib3.Retry(total=5, backoff_factor=0.001)
TIMEOUT = urllib3.Timeout(connect=0.5, read=0.15)


def row(number: int, when: float) -> Row:
    return {"topic": "org.test.a.b", "msg": {"n": number}, "msg_id": f"id-{number}", "timestamp": when}


def rows(number: int, span: Span = SPAN) -> list[Row]:
    """Return rows that are spread over a span, the first of them at its start."""
    return [row(n, span.start + span.seconds * n / number) for n in range(number)]


def reader(pages: Pages, connections: int = 4, rows_per_page: int = 10, most: int = 100) -> Datagrepper:
    return Datagrepper(
        pages.url, connections, timeout=TIMEOUT, retry=RETRY, rows_per_page=rows_per_page, most=most
    )


def ids(parts: list[Slice | Hole]) -> list[str]:
    """Return the ids of all rows, those of a border once."""
    found = [body["msg_id"] for part in parts if isinstance(part, Slice) for body in part.bodies]
    return sorted(set(found), key=lambda msg_id: int(msg_id[3:]))


def all_ids(pages: Pages) -> list[str]:
    return [row["msg_id"] for row in sorted(pages.rows, key=lambda row: int(row["msg_id"][3:]))]


def holes(parts: list[Slice | Hole]) -> list[Hole]:
    return [part for part in parts if isinstance(part, Hole)]


def assert_contiguous(parts: list[Slice | Hole], span: Span) -> None:
    assert parts[0].span.stop == span.stop
    assert parts[-1].span.start == span.start
    assert all(newer.span.start == older.span.stop for newer, older in pairwise(parts))


def fetches(pages: Pages) -> list[Query]:
    return [query for _, query in pages.queries]
