"""Gaps of a daemon are filled from an archive, while it goes on counting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from urllib3 import Retry

from statscache.database.lock import counting
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.span import Span
from statscache.store.coverage import cover, want
from tests.support.bench import Bench, Good, Other
from tests.support.hub import wait_for
from tests.system.datagrepper import Archive, Fault

START = 1_700_000_000


def body(number: int, second: float, word: str = "x") -> dict[str, Any]:
    return {"topic": "a.b.c.d", "msg": {"word": word}, "timestamp": START + second, "msg_id": f"m{number}"}


@pytest.fixture
def archive() -> Iterator[Archive]:
    """An archive with a message a second for an hour."""
    archive = Archive([body(n, n + 0.5) for n in range(3600)])
    yield archive
    archive.close()


def fill(bench: Bench) -> None:
    """Let the daemon fetch and count until it lacks nothing."""
    filler = bench.daemon.filler
    assert filler is not None
    filler.start()
    wait_for(
        "all gaps to be filled",
        lambda: (bench.daemon.flusher.use_spare_time(), not bench.daemon.gaps.pieces())[1],
    )
    filler.stop()


@pytest.fixture
def make(make_bench: Callable[..., Bench], archive: Archive) -> Callable[..., Bench]:
    def make(*classes: Any) -> Bench:
        bench = make_bench(*classes, datagrepper_endpoint=archive.url, lateness=1.0)
        with counting(bench.engine) as connection:
            want(connection, dict.fromkeys(bench.app.plugins, datetime.fromtimestamp(START, UTC)))
        return bench

    return make


def bounded(bench: Bench, plugin: str) -> None:
    """Let the hour be all there is."""
    with counting(bench.engine) as connection:
        cover(connection, [plugin], Span(START + 3600, START + 10**9))


def test_a_gap_is_filled(make: Callable[..., Bench]) -> None:
    """All that the archive has of it counts, and it is covered."""
    bench = make(Good)
    bounded(bench, "good")
    fill(bench)
    assert bench.volume("test_good") == 3600
    assert bench.daemon.gaps.pieces() == []


def test_what_came_over_the_bus_is_not_counted_again(make: Callable[..., Bench]) -> None:
    """Messages that were counted and whose time was not covered are known from the ledger."""
    bench = make(Good, Other)
    for number in range(100, 200):
        bench.intake.accept(body(number, number + 0.5))
    bench.flush()
    for plugin in ("good", "other"):
        bounded(bench, plugin)
    fill(bench)
    assert bench.volume("test_good") == bench.volume("test_other") == 3600


def test_each_plugin_gets_what_it_lacks(make: Callable[..., Bench]) -> None:
    """A message of the archive counts only for the plugins in whose gap it lies."""
    bench = make(Good, Other)
    with counting(bench.engine) as connection:
        cover(connection, ["good"], Span(START + 600, START + 1200))
    for plugin in ("good", "other"):
        bounded(bench, plugin)
    fill(bench)
    assert (bench.volume("test_good"), bench.volume("test_other")) == (3000, 3600)


def test_a_plugin_that_is_suspended_keeps_its_gap(make: Callable[..., Bench]) -> None:
    """It is filled when the plugin works again; nothing of it goes to the quarantine."""
    bench = make(Good, Other)
    bench.app.suspensions.suspend("good", "as the test says")
    for plugin in ("good", "other"):
        bounded(bench, plugin)
    fill(bench)
    assert (bench.volume("test_good"), bench.volume("test_other")) == (0, 3600)
    assert bench.quarantined("good") == []
    bench.app.suspensions.lift("good")
    assert [piece.plugins for piece in bench.daemon.gaps.pieces()] == [{"good"}]


def test_gaps_do_not_wait_until_all_is_retried(
    make: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor until a retry that fails each time does not: the two take turns."""
    bench = make(Good)
    bounded(bench, "good")
    bench.app.suspensions.suspend("good", "as the test says")
    bench.accept("x")
    bench.flush()
    bench.app.suspensions.lift("good")
    bench.daemon.upkeep.keep_up()
    monkeypatch.setattr("statscache.store.quarantine.take", lambda *_: 1 / 0)
    filler = bench.daemon.filler
    assert filler is not None
    filler.start()
    wait_for("a slice to be fetched", lambda: filler._fetched.qsize() > 0)
    for _ in range(4):
        bench.daemon.upkeep.keep_up()
        bench.daemon.flusher._spare_pause.end()
        bench.daemon.flusher.use_spare_time()
    filler.stop()
    assert filler.counted > 0
    assert bench.quarantined("good") == ["1"]


@pytest.mark.slow
def test_a_page_that_keeps_failing_leaves_a_gap_that_is_tried_again(
    make: Callable[..., Bench], archive: Archive
) -> None:
    """All around it counts, and it alone is lacking."""
    bench = make(Good)
    bounded(bench, "good")
    number = archive.fail(Fault.BAD_GATEWAY, around=START + 1800.5)
    filler = bench.daemon.filler
    assert filler is not None
    filler._archive = Datagrepper(archive.url, retry=Retry(total=1, backoff_factor=0))
    clock = [0.0]
    filler._clock = lambda: clock[0]
    filler.start()
    wait_for("the rest to be filled", lambda: (bench.daemon.flusher.use_spare_time(), filler._postponed)[1])
    lacking: list[Span] = []

    def all_but_what_lacks() -> bool:
        """Say whether every second that is no gap any more is counted; the thread that reads pages is at work yet."""
        bench.daemon.flusher.use_spare_time()
        lacking[:] = [piece.span for piece in bench.daemon.gaps.pieces()]
        return bench.volume("test_good") == 3600 - sum(span.seconds for span in lacking) > 3500

    wait_for("the rest to be counted", all_but_what_lacks)
    assert any(START + 1800 in span for span in lacking)
    archive.lift(number)
    clock[0] += 61
    wait_for(
        "the gap to be filled",
        lambda: (bench.daemon.flusher.use_spare_time(), not bench.daemon.gaps.pieces())[1],
    )
    filler.stop()
    assert bench.volume("test_good") == 3600
