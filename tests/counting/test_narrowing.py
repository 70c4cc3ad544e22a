"""A plugin that fails for some messages of many: only those are set aside that fail alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.bench import Bench, Good, Keeper, Other
from tests.support.refusing import Poisoned, Stateful, forget_troubles, make_due, rows, suspended, words

MakeBench = Callable[..., Bench]


@pytest.fixture(autouse=True)
def no_trouble() -> None:
    """The plugins that can fail do not, until a test says so."""
    forget_troubles()


class Unprintable(Exception):
    """An error that raises another when it is asked for its text."""

    def __str__(self) -> str:
        raise ValueError("no text")


def raising(error: BaseException) -> Callable[..., None]:
    """Return what raises that error whenever it is called."""

    def fail(*args: Any) -> None:
        raise error

    return fail


ERRORS = [SystemExit(3), Unprintable(), asyncio.CancelledError(), MemoryError(), StopIteration()]


@pytest.mark.parametrize("method", ["process", "update"])
def test_whatever_a_plugin_raises_is_its_own_trouble(method: str, make_bench: MakeBench) -> None:
    """Whatever kind of error it is and wherever it comes from, the others count and the flush goes on."""
    subjects = [
        type("Subject", (base,), {"name": f"{base.name} {type(error).__name__}", method: raising(error)})
        for base in (Good, Stateful)
        for error in ERRORS
    ]
    bench = make_bench(Other, *subjects, Keeper)
    for word in ("a", "b"):
        bench.accept(word)
        bench.flush()
        bench.flush()
    assert (bench.volume("test_other"), bench.volume("test_keeper")) == (2, 2)
    for subject in subjects:
        assert bench.quarantined(subject.name) == ["1", "2"]
        assert rows(bench, subject.name)[0].error.startswith(f"{subject.name.split()[1]}: ")


@pytest.mark.parametrize("bad", [{0}, {99}, {37}, {0, 1, 50, 51, 98}, set(range(0, 100, 7))])
@pytest.mark.parametrize("kind", [Poisoned, Stateful])
def test_an_update_that_fails_is_narrowed_down(bad: set[int], kind: type[Any], make_bench: MakeBench) -> None:
    """Of a batch only the messages are set aside that fail alone; all others count at once."""
    kind.poison = {f"w{number}" for number in bad}
    bench = make_bench(Other, kind)
    bench.accept(*(f"w{number}" for number in range(100)))
    bench.flush()
    assert words(bench, "test_other") == {f"w{number}": 1 for number in range(100)}
    assert words(bench, f"test_{kind.name}") == {
        f"w{number}": 1 for number in range(100) if number not in bad
    }
    found = rows(bench, kind.name)
    assert {row.msg_id for row in found} == {str(number + 1) for number in bad}
    assert all(row.error.startswith("ValueError: cannot stand") for row in found)
    assert all("in update" in row.traceback and row.attempts == 1 for row in found)
    assert not suspended(bench, kind.name)
    kind.poison = set()
    make_due(bench)
    bench.keep_up()
    assert words(bench, f"test_{kind.name}") == {f"w{number}": 1 for number in range(100)}
    assert (rows(bench), bench.execute("SELECT * FROM statscache_quarantine_body")) == ([], [])
