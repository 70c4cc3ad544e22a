"""The threads that fetch pages: as many as may be at work, and none that keeps anybody waiting."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import closing
from typing import Any

from statscache.history.archives.archive import Hole, Slice
from statscache.history.archives.datagrepper.slices import Datagrepper
from tests.support.pages import Pages, Query, Reply
from tests.support.slices import SPAN, START, all_ids, assert_contiguous, holes, ids, reader, rows


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


def test_connections_are_never_idle(pages: Pages) -> None:
    """With answers that take 20 ms, two connections are busy nearly all the time."""
    pages.rows = rows(2000)
    pages.delay = 0.02
    with closing(reader(pages, connections=2)) as archive:
        begin = time.monotonic()
        assert holes(list(archive.slices(SPAN))) == []
    taken = time.monotonic() - begin
    assert taken < 1.5 * (0.02 * len(pages.queries) / 2)


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
    assert parts[-1].reason.endswith("UTC: reading it was stopped")  # type: ignore[union-attr]
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
    pages.trouble = lambda query, times: time.sleep(0.2 if query["page"] == "1" else 15)
    app = (
        "from statscache.span import Span; import time;"
        "from statscache.history.archives.datagrepper.slices import Datagrepper;"
        f"next(iter(Datagrepper({pages.url!r}, rows_per_page=100).slices(Span({START + 80}, {START + 100}))));"
        f"reading = Datagrepper({pages.url!r}, rows_per_page=10).slices(Span({START}, {START + 100}));"
        "import threading; threading.Thread(target=next, args=(reading,), daemon=True).start(); time.sleep(0.6)"
    )
    begin = time.monotonic()
    subprocess.run([sys.executable, "-c", app], check=True, timeout=60)
    assert time.monotonic() - begin < 15
