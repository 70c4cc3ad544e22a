"""`statscache demo`: real hubs on made-up traffic, and how they end."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import psutil
import psycopg2
import pytest

from statscache.demo.past import LENGTH, MadeUpArchive
from statscache.history.archives.archive import Slice
from statscache.span import Span
from tests.support.commands import ask, left_over
from tests.support.demo import Demo, in_shell, statscache
from tests.support.hub import wait_for
from tests.support.place import Place


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Demo]]:
    """Three demos, one beside the other, of which one faster than it can send."""
    arguments = {"timed": ("--seconds", "2", "--rate", "20000"), "endless": (), "orphaned": ()}
    demos = {name: Demo(tmp_path_factory.mktemp(name), *more) for name, more in arguments.items()}
    yield demos
    for demo in demos.values():
        demo.close()


def test_one_line_makes_another_terminal_reach_the_demo(demos: Mapping[str, Demo]) -> None:
    """Commands and the HTTP API look at the demo, whatever the directory there is configured to; the demo's own API
    answers at the address that is printed, in whole, on a line of its own."""
    demo = demos["endless"]
    demo.wait_until_it_plays()
    demo.configure({"statscache.sqlalchemy.uri": "embedded:./other"})
    lines = demo.output.splitlines()
    [url] = [line.strip() for line in lines if line.startswith("  http://127.0.0.1:")]
    [line] = [line.strip() for line in lines if line.endswith("/activate")]
    rows = f"{url}api/volume-by-category-1d"
    wait_for("the figures over HTTP", lambda: json.load(urllib.request.urlopen(rows)))
    state = json.loads(in_shell(demo, line, statscache("status --json || true")))
    assert (state["answers"], state["causes"]) == (True, [])
    assert in_shell(demo, line, statscache("show volume-by-category-1d --by category")).startswith("category")
    serve = f"{statscache('serve')} > own & until [ -s own ]; do sleep 0.1; done; kill $!; wait; cat own"
    own = in_shell(demo, line, serve)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", own)
    assert own != url
    assert not (demo.directory / "other").exists()


def test_a_demo_ends_on_interrupts(demos: Mapping[str, Demo]) -> None:
    """Ctrl-C, even pressed twice, ends it with 0; it has counted each message it sent and leaves no process."""
    demo = demos["endless"]
    demo.wait_until_it_plays()
    time.sleep(1)
    for _ in range(2):
        os.killpg(demo.process.pid, signal.SIGINT)
        time.sleep(0.3)
    code, sent, counted = demo.end()
    assert (code, counted) == (0, sent)
    assert 10 < sent < 5000
    assert left_over(demo) == []


def test_a_demo_whose_hub_is_killed_says_so(demos: Mapping[str, Demo]) -> None:
    """It ends with one line on why, exit code 2, and no process left."""
    demo = demos["orphaned"]
    demo.wait_until_it_plays()
    [hub] = [p for p in psutil.Process(demo.process.pid).children() if "--config-filename" in p.cmdline()]
    hub.kill()
    assert demo.process.wait(60) == 2
    assert re.search(r"^statscache: the hub has ended .*hub\.log$", demo.output, re.MULTILINE)
    assert "Traceback" not in demo.output
    assert left_over(demo) == []


def test_a_demo_ends_after_so_many_seconds(demos: Mapping[str, Demo]) -> None:
    """It ends with 0, even where it cannot keep up; it has counted each message, and leaves no process."""
    demo = demos["timed"]
    code, sent, counted = demo.end()
    assert (code, counted) == (0, sent)
    assert sent > 1000
    assert left_over(demo) == []


def test_uri_sees_to_it_that_an_embedded_server_runs_until_stopped(demos: Mapping[str, Demo]) -> None:
    """As a demo says at its end, its tables can be looked at; after --stop no process of the server is left."""
    sent = demos["timed"].end()[1]
    [*_, line] = re.findall(r"^  (\. \S+/activate)$", demos["timed"].output, re.MULTILINE)
    place = Place(demos["timed"].directory, f"embedded:{demos['timed'].directory}/demo/data")
    assert place.environment["STATSCACHE_SQLALCHEMY_URI"] == in_shell(
        place, line, "printenv STATSCACHE_SQLALCHEMY_URI"
    )
    url = place.answer("uri").strip()
    try:
        assert place.answer("uri").strip() == url
        start = ask(url, "SELECT extract(epoch FROM min(lower(covered)))::bigint FROM statscache_coverage")
        parts = MadeUpArchive(1, start).slices(Span(start, start + LENGTH))
        made = sum(len(part.bodies) for part in parts if isinstance(part, Slice))
        assert made > 0
        assert ask(url, "SELECT sum(volume) FROM data_volume_by_category_1h") == sent + made
    finally:
        assert place.answer("uri", "--stop") == ""
    assert left_over(place) == []
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(url)


def test_a_demo_ends_on_an_interrupt_while_it_starts(tmp_path: Path) -> None:
    """An interrupt before the first message leaves no process either."""
    with closing(Demo(tmp_path)) as demo:
        wait_for("the server's start", (tmp_path / "demo/data/postmaster.pid").exists)
        demo.process.send_signal(signal.SIGINT)
        assert demo.end() == (0, 0, 0)
        assert left_over(demo) == []
