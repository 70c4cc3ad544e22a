"""Slices of a datagrepper's history: whole, or said not to be."""

from __future__ import annotations

import json
import time
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statscache.history.archives.archive import Archive, HistoryError, Hole, Slice
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.span import Span
from tests.support.pages import Pages, Query, Reply, Row
from tests.support.slices import (
    RETRY,
    SPAN,
    START,
    TIMEOUT,
    all_ids,
    assert_contiguous,
    fetches,
    holes,
    ids,
    reader,
    row,
    rows,
)


def test_slices_are_the_span_newest_first(pages: Pages, archive: Datagrepper) -> None:
    """All rows come, in parts that are contiguous, the newest first, none of them over the bound."""
    source: Archive = archive
    parts = list(source.slices(SPAN))
    assert ids(parts) == all_ids(pages)
    assert holes(parts) == []
    assert_contiguous(parts, SPAN)
    assert all(len(part.bodies) <= 100 for part in parts if isinstance(part, Slice))
    assert len(parts) > 2


def test_an_empty_history_is_read_in_few_requests(pages: Pages, archive: Datagrepper) -> None:
    """Ten weeks without a row take a request for each week, and some to find that out."""
    week = 7 * 86400
    parts = list(archive.slices(Span(START - 10 * week, START)))
    assert holes(parts) == []
    assert len(pages.queries) <= 16
    assert max(part.span.seconds for part in parts) == week


def test_slices_follow_the_density(pages: Pages, archive: Datagrepper) -> None:
    """After a crowded minute the slices grow again, and most are of a good size."""
    pages.rows = rows(3000, Span(START - 60, START)) + [
        row(n + 5000, START - 60 - 30 * n) for n in range(3000)
    ]
    parts = list(archive.slices(Span(START - 90_000, START)))
    assert holes(parts) == []
    assert len(ids(parts)) == len({row["msg_id"] for row in pages.rows if row["timestamp"] >= START - 90_000})
    assert len(parts) < 150
    firsts = [query for query in fetches(pages) if query["page"] == "1" and query["rows_per_page"] == "10"]
    assert len(firsts) < len(parts) + 20


def test_the_address_may_end_in_raw(pages: Pages) -> None:
    """With /raw, with a slash or without either it is the same address."""
    for endpoint in (pages.url, pages.url + "/", pages.url + "/raw", pages.url + "/raw/"):
        with closing(Datagrepper(endpoint)) as archive:
            assert len(ids(list(archive.slices(SPAN)))) == 250


def poison(second: int) -> Any:
    """Return a trouble: every answer that would have a row of this second fails."""

    def trouble(query: Query, times: int) -> Reply | None:
        inside = int(query["start"]) <= second < int(query["end"])
        return Reply(502, b"") if inside else None

    return trouble


def test_a_page_that_never_comes_costs_a_second(pages: Pages, archive: Datagrepper) -> None:
    """What fails for good is narrowed down to the second that it lies in; everything else comes."""
    pages.trouble = poison(START + 70)
    parts = list(archive.slices(SPAN))
    assert_contiguous(parts, SPAN)
    (hole,) = holes(parts)
    assert hole.span == Span(START + 70, START + 71)
    assert hole.reason == (
        f"{pages.url}/raw did not give all of 2023-11-14 22:14:30 to 2023-11-14 22:14:31 UTC: "
        "page 1: the answer was 502 Bad Gateway, in the last of 6 attempts"
    )
    assert set(all_ids(pages)) - set(ids(parts)) == {
        row["msg_id"] for row in pages.rows if START + 70 < row["timestamp"] < START + 71
    }


def test_the_newest_second_may_be_the_one_that_fails(pages: Pages, archive: Datagrepper) -> None:
    """That the first request of all fails, and the first of each half, is not taken for a server that is down."""
    pages.trouble = poison(START + 99)
    assert [hole.span for hole in holes(list(archive.slices(SPAN)))] == [Span(START + 99, START + 100)]


def miscount(page: dict[str, Any]) -> Reply:
    return Reply(body=json.dumps({**page, "total": page["total"] + 1}).encode())


@pytest.mark.parametrize("kind", ["fails", "miscounts"])
def test_a_bad_stretch_costs_little_more_than_itself(kind: str, pages: Pages, archive: Datagrepper) -> None:
    """Where many seconds on end are bad, what is newer and what is older comes all the same."""

    def trouble(query: Query, times: int) -> Reply | None:
        if int(query["end"]) <= START + 40 or int(query["start"]) >= START + 60:
            return None
        return Reply(502, b"") if kind == "fails" else miscount(pages.page(query))

    pages.trouble = trouble
    parts = list(archive.slices(SPAN))
    assert_contiguous(parts, SPAN)
    bad = [hole.span for hole in holes(parts)]
    assert bad == [Span(START + n, START + n + 1) for n in range(59, 39, -1)]


def test_a_server_that_is_down_is_left_in_peace(pages: Pages, archive: Datagrepper) -> None:
    """If everything fails there is one hole, or a few, after a bounded number of requests."""
    span = Span(START - 30 * 86400, START)
    pages.trouble = lambda query, times: Reply(502, b"")
    parts = list(archive.slices(span))
    assert_contiguous(parts, span)
    assert holes(parts) == parts
    assert len(parts) == 1
    assert len(pages.queries) <= 50


def test_a_server_that_goes_down_leaves_a_hole(pages: Pages, archive: Datagrepper) -> None:
    """What came before it went down is there, the rest is a hole."""
    reading = archive.slices(SPAN)
    parts = [next(reading)]
    pages.trouble = lambda query, times: Reply(502, b"")
    parts += reading
    assert_contiguous(parts, SPAN)
    assert isinstance(parts[0], Slice)
    assert isinstance(parts[-1], Hole)


def test_no_connection_is_one_hole() -> None:
    """Where nobody listens the whole span is a hole at once, and the reason names all there is to know."""
    with closing(Datagrepper("http://127.0.0.1:9", timeout=TIMEOUT, retry=RETRY)) as archive:
        (hole,) = archive.slices(Span(START - 30 * 86400, START))
    assert hole.span == Span(START - 30 * 86400, START)
    assert isinstance(hole, Hole)
    assert "http://127.0.0.1:9/raw did not give all of 2023-10-15" in hole.reason
    assert "Connection refused, in the last of 6 attempts" in hole.reason.replace("[Errno 111] ", "")


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'"hello"',
        b"{}",
        b'{"error": "no"}',
        b'{"total": 1, "count": 1}',
        b'{"total": 1, "count": 1, "raw_messages": [3]}',
        b'{"total": 1, "count": 1, "raw_messages": {}}',
        b'{"total": -1, "count": 0, "raw_messages": []}',
        b'{"total": true, "count": 0, "raw_messages": []}',
        b'{"total": 1.5, "count": 0, "raw_messages": []}',
    ],
)
def test_what_is_not_datagrepper_is_an_error(body: bytes, pages: Pages, archive: Datagrepper) -> None:
    """JSON of another form is not tried again, and the error names the address."""
    pages.trouble = lambda query, times: Reply(200, body)
    with pytest.raises(HistoryError, match=r"datagrepper/raw: the answer is not datagrepper's"):
        list(archive.slices(SPAN))
    assert len(pages.queries) == 1


@pytest.mark.parametrize("endpoint", ["", "apps.example.org/datagrepper", "ftp://example.org", "http://"])
def test_what_is_no_address_is_an_error(endpoint: str) -> None:
    """An endpoint must be an http or https address."""
    with pytest.raises(HistoryError, match="is not the address of an archive"):
        Datagrepper(endpoint)


def test_the_next_slice_is_fetched_while_this_one_is_used(pages: Pages, archive: Datagrepper) -> None:
    """A consumer that takes its time finds the next slice there, and no more than that one."""
    reading = archive.slices(SPAN)
    next(reading)
    time.sleep(0.3)
    fetched = len(pages.queries)
    time.sleep(0.2)
    assert len(pages.queries) == fetched
    pages.trouble = lambda query, times: Reply(502, b"")
    following = next(reading)
    assert isinstance(following, Slice)
    oldest = min(int(query["start"]) for query in fetches(pages)[:fetched] if query["page"] != "1")
    assert oldest == following.span.start > SPAN.start


def test_late_rows_are_found(pages: Pages, archive: Datagrepper) -> None:
    """A row that arrives between two pages shifts them; the slice is read again until it is whole."""
    late = [row(1000 + n, START + 99.5 - n) for n in range(5)]

    def trouble(query: Query, times: int) -> None:
        if query["page"] == "3" and late:
            pages.rows.append(late.pop())

    pages.trouble = trouble
    parts = list(archive.slices(SPAN))
    assert holes(parts) == []
    newest = [row["msg_id"] for row in pages.rows if row["timestamp"] >= START + 90]
    assert set(newest) <= set(ids(parts))


def test_a_total_that_never_holds_still_is_a_hole(pages: Pages, archive: Datagrepper) -> None:
    """Without a total that agrees there is no slice, and the server is not asked for each second of the span."""
    span = Span(START - 3000, START)
    pages.rows = rows(60, span)
    pages.trouble = lambda query, times: miscount(pages.page(query))
    parts = list(archive.slices(span))
    assert_contiguous(parts, span)
    assert holes(parts) == parts
    assert len(parts) < 40
    assert "got 0 of 1 different rows, in the last of 10 attempts" in holes(parts)[0].reason


def test_many_rows_of_one_instant_are_read_again_until_all_have_come(
    pages: Pages, archive: Datagrepper
) -> None:
    """Rows that change places from request to request are all found, in several rounds."""
    pages.ties = True
    pages.rows = [row(n, START + 50.5) for n in range(25)]
    parts = list(archive.slices(SPAN))
    assert holes(parts) == []
    assert ids(parts) == all_ids(pages)


def test_a_row_that_is_there_twice_is_no_hole(pages: Pages, archive: Datagrepper) -> None:
    """An archive may hold a message twice, and rows that are no messages: a page with all rows is the proof."""
    pages.rows = rows(250) + rows(20) + [{"timestamp": START + n / 2} for n in range(30)]
    parts = list(archive.slices(SPAN))
    assert holes(parts) == []
    assert len([body for part in parts if isinstance(part, Slice) for body in part.bodies]) >= 300


EIGHTHS = st.integers(0, 8 * 20 - 1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moments=st.lists(EIGHTHS | st.sampled_from([0, 8, 9, 80]), max_size=60),
    late=st.lists(EIGHTHS, max_size=6),
    ties=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_a_slice_is_never_wrong(
    pages: Pages, moments: list[int], late: list[int], ties: bool, seed: int
) -> None:
    """Whatever the rows, and whenever some arrive: a slice is what the archive had at one moment.

    Holes are seconds in which more rows than fit a page change places.
    """
    first = [row(n, START + moment / 8) for n, moment in enumerate(moments)]
    more = [row(100 + n, START + moment / 8) for n, moment in enumerate(late)]
    pages.reset(first, more, seed)
    pages.ties = ties
    span = Span(START, START + 20)
    with closing(reader(pages, rows_per_page=4, most=12)) as archive:
        parts = list(archive.slices(span))
    assert_contiguous(parts, span)
    arrived = pages.rows[len(first) :]
    states = [first + arrived[:count] for count in range(len(arrived) + 1)]
    for part in parts:
        if isinstance(part, Slice):
            found = sorted(body["msg_id"] for body in part.bodies)
            assert found in [_within(state, part.span) for state in states]
        else:
            assert part.span.seconds == 1
            assert ties
            assert len(_within(pages.rows, part.span)) > 4


def _within(state: list[Row], span: Span) -> list[str]:
    return sorted(row["msg_id"] for row in state if span.start <= row["timestamp"] <= span.stop)
