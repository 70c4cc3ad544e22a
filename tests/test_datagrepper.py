"""Slices of a datagrepper's history: whole, or said not to be."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import pytest
import urllib3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statscache.history.archives.archive import Archive, HistoryError, Hole, Slice
from statscache.history.archives.datagrepper.client import Client, Unavailable, pause_of
from statscache.history.archives.datagrepper.completeness import Ask, Attempt, Page
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.span import Span
from tests.pages import Pages, Query, Reply, Row

START = 1_700_000_000
SPAN = Span(START, START + 100)
RETRY = urllib3.Retry(total=5, backoff_factor=0.001)
TIMEOUT = urllib3.Timeout(connect=0.5, read=0.15)


def row(number: int, when: float) -> Row:
    return {"topic": "org.test.a.b", "msg": {"n": number}, "msg_id": f"id-{number}", "timestamp": when}


def rows(number: int, span: Span = SPAN) -> list[Row]:
    """Return rows that are spread over a span, the first of them at its start."""
    return [row(n, span.start + span.seconds * n / number) for n in range(number)]


@pytest.fixture
def pages() -> Iterator[Pages]:
    """A server with 250 rows, which are 2.5 a second."""
    server = Pages(rows(250))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def archive(pages: Pages) -> Iterator[Datagrepper]:
    """A reader of that server, with pages of 10 rows and slices of 100."""
    with closing(reader(pages)) as archive:
        yield archive


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


def test_requests_say_who_asks(pages: Pages, archive: Datagrepper) -> None:
    """The User-Agent is statscache's, with the version."""
    list(archive.slices(SPAN))
    assert pages.headers["User-Agent"] == f"statscache/{version('statscache')}"


def test_compressed_pages_are_read(pages: Pages, archive: Datagrepper) -> None:
    """A server may send gzip."""
    pages.trouble = lambda query, times: Reply(
        body=gzip.compress(json.dumps(pages.page(query)).encode()), headers={"Content-Encoding": "gzip"}
    )
    assert ids(list(archive.slices(SPAN))) == all_ids(pages)


TROUBLES = {
    "502": Reply(502, b"<html>bad gateway</html>"),
    "500": Reply(500, b'{"error": "the database is away"}'),
    "503": Reply(503, b""),
    "504": Reply(504, b""),
    "429": Reply(429, b""),
    "429 with a Retry-After that is none": Reply(429, b"", {"Retry-After": "soon"}),
    "408": Reply(408, b""),
    "425": Reply(425, b""),
    "truncated JSON": Reply(cut=20),
    "connection cut": Reply(cut=20, whole=False),
    "HTML": Reply(200, b"<html>we are back soon</html>"),
    "bad UTF-8": Reply(200, b'{"total": "\xff"}'),
    "nested too deep": Reply(200, b"[" * 200_000),
    "a count that is wrong": Reply(200, b'{"total": 3, "count": 2, "raw_messages": []}'),
    "a broken gzip": Reply(200, b"no gzip", {"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_what_fails_now_and_then_is_tried_again(name: str, pages: Pages, archive: Datagrepper) -> None:
    """A page that fails twice is there at the third try, and all rows with it."""
    reply = TROUBLES[name]
    pages.trouble = lambda query, times: Reply(**vars(reply)) if times % 3 else None
    parts = list(archive.slices(SPAN))
    assert holes(parts) == []
    assert ids(parts) == all_ids(pages)


def test_a_time_out_is_tried_again(pages: Pages, archive: Datagrepper) -> None:
    """A request that hangs is given up after the time-out, and sent again."""
    pages.trouble = lambda query, times: time.sleep(0.4) if query["page"] == "3" and times == 1 else None
    parts = list(archive.slices(SPAN))
    assert holes(parts) == []
    assert ids(parts) == all_ids(pages)


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
        f"{pages.url}/raw did not give 2023-11-14 22:14:30 to 2023-11-14 22:14:31 UTC whole: "
        "page 1: the answer was 502 Bad Gateway, at the last of 6 tries"
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
    assert "http://127.0.0.1:9/raw did not give 2023-10-15" in hole.reason
    assert "Connection refused, at the last of 6 tries" in hole.reason.replace("[Errno 111] ", "")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 304])
def test_an_address_that_is_wrong_is_an_error(status: int, pages: Pages, archive: Datagrepper) -> None:
    """What no other try can help is not tried again."""
    pages.trouble = lambda query, times: Reply(status, b"")
    with pytest.raises(HistoryError, match=f"/raw answers {status} .*: check the address"):
        list(archive.slices(SPAN))
    assert len(pages.queries) == 1


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
    with pytest.raises(HistoryError, match="is no address of an archive"):
        Datagrepper(endpoint)


def test_redirects_are_followed(pages: Pages, archive: Datagrepper) -> None:
    """An archive may have moved, but not in a circle."""
    other = Pages(rows(250))
    other.start()
    other.trouble = lambda query, times: Reply(302, b"", {"Location": f"{pages.url}/raw?{_text(query)}"})
    with closing(reader(other)) as moved:
        assert ids(list(moved.slices(SPAN))) == all_ids(pages)
    pages.trouble = lambda query, times: Reply(302, b"", {"Location": f"{pages.url}/raw?{_text(query)}"})
    with pytest.raises(HistoryError, match="redirects without end"):
        list(archive.slices(SPAN))
    other.stop()


def _text(query: Query) -> str:
    return "&".join(f"{key}={value}" for key, value in query.items())


def test_retry_after_is_honoured_by_all(pages: Pages, archive: Datagrepper) -> None:
    """A server that asks for a pause of a second gets one, from all connections."""
    asked: list[float] = []

    def trouble(query: Query, times: int) -> Reply | None:
        if query["page"] == "2" and not asked:
            asked.append(time.monotonic())
            return Reply(429, b"", {"Retry-After": "1"})
        return None

    pages.trouble = trouble
    pages.delay = 0.03
    parts = list(archive.slices(SPAN))
    assert ids(parts) == all_ids(pages)
    during = [moment - asked[0] for moment, _ in pages.queries if 0.05 < moment - asked[0] < 0.95]
    assert during == []


@pytest.mark.parametrize(
    ("asked", "pause"),
    [("7", 7), ("100000", 600), ("0", None), ("Thu, 01 Jan 1970 00:00:00 GMT", None), ("soon", None)],
)
def test_a_pause_is_at_most_ten_minutes(asked: str, pause: float | None) -> None:
    """What a server asks for is honoured within reason; none at all is no request for a pause."""
    assert pause_of(urllib3.HTTPResponse(status=429, headers={"Retry-After": asked})) == pause


def test_pauses_are_no_tries_yet_there_is_an_end_to_them(pages: Pages) -> None:
    """A server that always asks for a pause is given up after some, and the tries that everybody gets."""
    pages.trouble = lambda query, times: Reply(429, b"", {"Retry-After": "1"})
    client = Client(f"{pages.url}/raw", 1, TIMEOUT, RETRY, pauses=1)
    query = {"start": "0", "end": "1", "page": "1", "rows_per_page": "1"}
    with pytest.raises(Unavailable, match="429 Too Many Requests, at the last of 6 tries"):
        client.get(query, lambda answer: None, threading.Event())
    assert len(pages.queries) == 7


def test_never_more_requests_than_connections(pages: Pages) -> None:
    """The limit holds, is made use of, and holds for two readings at once."""
    pages.delay = 0.01
    with closing(reader(pages, connections=3)) as archive:
        found: list[list[Slice | Hole]] = []
        threads = [
            threading.Thread(target=lambda: found.append(list(archive.slices(SPAN)))) for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [ids(parts) for parts in found] == [all_ids(pages)] * 2
    assert pages.peak == 3


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


def test_connections_are_never_idle(pages: Pages) -> None:
    """With answers that take 20 ms, two connections are busy nearly all the time."""
    pages.rows = rows(2000)
    pages.delay = 0.02
    with closing(reader(pages, connections=2)) as archive:
        begin = time.monotonic()
        assert holes(list(archive.slices(SPAN))) == []
    taken = time.monotonic() - begin
    assert taken < 1.5 * (0.02 * len(pages.queries) / 2)


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
    assert "whole: of 1 rows 0 different ones came, at the last of 10 times" in holes(parts)[0].reason


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


def test_a_full_page_is_not_believed_without_its_total() -> None:
    """A row that came after the count, and before the rows were read, may have pushed one off a full page."""
    attempt = Attempt(SPAN, rows_per_page=2, most=100)
    two = [row(1, START), row(2, START + 1)]
    assert attempt.take(Ask(1), Page(2, two)) == [Ask(0)]
    assert attempt.outcome is None
    assert attempt.take(Ask(0), Page(3, two[:1])) == [Ask(1, 1)]
    assert attempt.take(Ask(1, 1), Page(3, two)) == [Ask(2, 1)]
    assert attempt.take(Ask(2, 1), Page(3, [row(3, START + 2)])) == [Ask(0, 1)]
    assert attempt.take(Ask(0, 1), Page(3, two[:1])) == []
    assert isinstance(attempt.outcome, Slice)
    assert [body["msg_id"] for body in attempt.outcome.bodies] == ["id-1", "id-2", "id-3"]


def test_what_is_not_of_use_any_more_is_not_wanted() -> None:
    """A page of an earlier round, or after the end, does not count for this one."""
    attempt = Attempt(SPAN, rows_per_page=1, most=100)
    assert attempt.take(Ask(1), Page(3, [row(1, START)])) == [Ask(2), Ask(3)]
    assert attempt.take(Ask(2), Page(4, [row(2, START)])) == [Ask(1, 1)]
    assert not attempt.wants(Ask(3))
    attempt.fail(ValueError("an end"))
    assert not attempt.wants(Ask(1, 1))


def elapsed_of(act: Any) -> float:
    begin = time.monotonic()
    act()
    return time.monotonic() - begin


def test_close_does_not_wait_for_a_request_that_hangs(pages: Pages) -> None:
    """Who reads gets a hole for the rest at once, though the request is under way for a while."""
    hanging = threading.Event()

    def trouble(query: Query, times: int) -> None:
        if int(query["start"]) < START + 50:
            hanging.set()
            time.sleep(1)

    pages.trouble = trouble
    archive = Datagrepper(pages.url, 2, rows_per_page=10, most=100)
    parts: list[Slice | Hole] = []
    thread = threading.Thread(target=lambda: parts.extend(archive.slices(SPAN)))
    thread.start()
    hanging.wait()
    time.sleep(0.1)
    assert elapsed_of(archive.close) < 0.1
    assert elapsed_of(thread.join) < 0.2
    assert_contiguous(parts, SPAN)
    assert parts[-1].reason.endswith("UTC whole: it is not read any more")  # type: ignore[union-attr]
    assert [part.span for part in archive.slices(SPAN)] == [SPAN]


def test_close_does_not_wait_for_a_pause(pages: Pages) -> None:
    """Neither does it wait for what a server asked for."""
    pages.trouble = lambda query, times: Reply(429, b"", {"Retry-After": "300"})
    archive = reader(pages)
    parts: list[Slice | Hole] = []
    thread = threading.Thread(target=lambda: parts.extend(archive.slices(SPAN)))
    thread.start()
    time.sleep(0.1)
    archive.close()
    assert elapsed_of(thread.join) < 0.2
    assert [part.span for part in parts] == [SPAN]


def test_a_reading_that_is_left_ends_its_threads(pages: Pages, archive: Datagrepper) -> None:
    """Closing the generator ends what is fetched ahead; the archive can be read again."""
    reading = archive.slices(SPAN)
    next(reading)
    reading.close()  # type: ignore[attr-defined]
    for thread in threading.enumerate():
        if thread.name == "statscache-history":
            thread.join(1)
            assert not thread.is_alive()
    assert ids(list(archive.slices(SPAN))) == all_ids(pages)


def test_the_interpreter_ends_while_a_request_hangs(pages: Pages) -> None:
    """No thread keeps a program alive that is done."""
    pages.trouble = lambda query, times: time.sleep(0.2 if query["page"] == "1" else 3)
    app = (
        "from statscache.span import Span; import time;"
        "from statscache.history.archives.datagrepper.slices import Datagrepper;"
        f"next(iter(Datagrepper({pages.url!r}, rows_per_page=100).slices(Span({START + 80}, {START + 100}))));"
        f"reading = Datagrepper({pages.url!r}, rows_per_page=10).slices(Span({START}, {START + 100}));"
        "import threading; threading.Thread(target=next, args=(reading,), daemon=True).start(); time.sleep(0.6)"
    )
    begin = time.monotonic()
    subprocess.run([sys.executable, "-c", app], check=True, timeout=20)
    assert time.monotonic() - begin < 3


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
