"""The benchmark: it runs through, and it counts and judges rightly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from benchmarks import messages
from benchmarks.cells import expected, reference
from benchmarks.figures import Bar, Figure
from benchmarks.paced import MEGABYTE, slope
from benchmarks.profile import own_times
from benchmarks.variables import URI
from benchmarks.watch import Sample, delays
from tests.reference import differences

ROOT = Path(__file__).parents[1]


def test_a_quick_run_measures_checks_and_writes_a_file(server: Engine, tmp_path: Path) -> None:
    """Each figure comes with its rounds and its control, and no cell differs."""
    output = tmp_path / "results" / "quick.json"
    cases = [f"--only={name}" for name in ("burst", "intake", "flush")]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", *cases, "--output", str(output)],
        cwd=ROOT,
        env={**os.environ, URI: server.url.render_as_string(hide_password=False)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(output.read_text())
    assert report["differences"] == {"end to end, burst of 300": 0}
    assert report["machine"]["postgresql"]
    figures = {figure["name"]: figure for figure in report["figures"]}
    for name in (
        "end to end, burst of 300",
        "intake, in all, spool included",
        "flush, flush_latest, 100 new",
    ):
        assert figures[name]["value"] > 0
        assert len(figures[name]["controls"]) == len(figures[name]["rounds"])
        assert name in done.stdout
    assert figures["intake, volume-1s alone"]["controls"] == []


@pytest.mark.parametrize("shape", messages.SPANS)
def test_what_is_expected_is_what_the_reference_says(shape: str, tmp_path: Path) -> None:
    """The benchmark's own faster count agrees with the tests' in every cell."""
    messages.write(path := tmp_path / "messages", shape, 2_000)
    bodies = ((body["msg_id"], body) for body in messages.bodies(path))
    cells = expected(path)
    wanted = {table: rows for table, rows in reference().tables(bodies).items() if table in cells}
    assert all(cells.values())
    assert differences(cells, wanted) == {}


def test_messages_are_as_the_figures_say(tmp_path: Path) -> None:
    """About 700 bytes, 22 categories, 16 % of pagure's, within the span of their shape."""
    messages.write(path := tmp_path / "messages", "day", 5_000)
    bodies = list(messages.bodies(path))
    assert 650 < path.stat().st_size / len(bodies) < 750
    assert len({body["topic"].split(".")[3] for body in bodies}) == 22
    assert 0.14 < sum("pagure" in body["topic"] for body in bodies) / len(bodies) < 0.18
    assert 86_000 < bodies[-1]["timestamp"] - bodies[0]["timestamp"] < 86_400


def test_a_line_gets_another_timestamp(tmp_path: Path) -> None:
    """Nothing else of the message changes."""
    line = next(messages.lines("burst", 1))
    body = json.loads(messages.at(line, messages.stamp(1_800_000_000.25)))
    assert body == json.loads(line) | {"timestamp": 1_800_000_000.25}
    assert messages.topic_of(line).decode() == body["topic"]


def test_a_figure_is_judged_by_value_and_ratio() -> None:
    """A bar can ask for both, and whoever has no bar is neither good nor bad."""
    figure = Figure("a", "b", [10.0, 30.0, 20.0], [50.0], bar=Bar(least=20, ratio=0.4))
    assert (figure.value, figure.ratio, figure.met) == (20.0, 0.4, True)
    assert not Figure("a", "b", [20.0], [51.0], bar=figure.bar).met
    assert not Figure("a", "b", [19.0], [40.0], bar=figure.bar).met
    assert not Figure("a", "b", [26.0], bar=Bar(most=25)).met
    assert Figure("a", "b", [1.0]).met is None


def test_a_delay_is_from_sent_to_the_first_look_that_finds_it() -> None:
    """Messages are committed in the order they are sent."""
    samples = [Sample(10.0, 0, 0), Sample(11.0, 2, 0), Sample(12.0, 2, 0), Sample(13.0, 3, 0)]
    assert delays([9.0, 10.5, 11.5], samples) == [2.0, 0.5, 1.5]


def test_the_slope_is_that_of_the_last_two_thirds() -> None:
    """What a start takes is not counted as growth."""
    start = [Sample(float(n), 0, n * 1_000_000) for n in range(30)]
    rest = [Sample(float(n), 0, 50_000_000 + n * 1_000) for n in range(30, 90)]
    assert slope([*start, *rest]) == pytest.approx(1_000 * 600 / MEGABYTE)


def test_own_times_are_by_thread_and_function() -> None:
    """Lines of one function count together, and callers do not count."""
    stacks = "thread (1): main;a (x.py:1);b (x.py:2) 3\nthread (1): main;b (x.py:9) 1\nthread (2): flush;c (y.py:1) 5\n"
    assert {thread: dict(counts) for thread, counts in own_times(stacks).items()} == {
        "thread (1): main": {"b (x.py)": 4},
        "thread (2): flush": {"c (y.py)": 5},
    }
