"""JSON over HTTP: what is asked for again, what is given up, and what is told."""

from __future__ import annotations

import gzip
import json
import threading
import time
from contextlib import closing
from importlib.metadata import version

import pytest
import urllib3

from statscache.history.archives.archive import HistoryError
from statscache.history.archives.datagrepper.client import Client, Unavailable, pause_of
from statscache.history.archives.datagrepper.slices import Datagrepper
from tests.support.pages import Pages, Query, Reply
from tests.support.slices import RETRY, SPAN, TIMEOUT, all_ids, holes, ids, reader, rows


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


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 304])
def test_an_address_that_is_wrong_is_an_error(status: int, pages: Pages, archive: Datagrepper) -> None:
    """What no other try can help is not tried again."""
    pages.trouble = lambda query, times: Reply(status, b"")
    with pytest.raises(HistoryError, match=f"/raw answers {status} .*: check the address"):
        list(archive.slices(SPAN))
    assert len(pages.queries) == 1


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
    with pytest.raises(Unavailable, match="429 Too Many Requests, in the last of 6 attempts"):
        client.get(query, lambda answer: None, threading.Event())
    assert len(pages.queries) == 7
