"""In which order plugins write, and whose upserts go with the COMMIT."""

from __future__ import annotations

from itertools import chain, count
from types import SimpleNamespace
from typing import Any

from statscache.counting.joining import LATELY_S, Joining


def runner(ident: str) -> Any:
    """Return what stands for a plugin that writes with upserts."""
    return SimpleNamespace(ident=ident, table=f"data_{ident}", upserts=True, reads=False)


def test_a_plugin_whose_time_apart_ends_meanwhile_writes_once() -> None:
    """At whichever question that is: half a second lies between any two."""
    for start in range(8):
        joining = Joining(chain([0.0], count(LATELY_S - start / 2, 0.5)).__next__)
        joining.failed(runner("b"))
        alone: Any = SimpleNamespace(round_trip=None)
        arranged = joining.arrange(alone, [runner("c"), runner("b"), runner("a")])
        assert sorted(each.ident for each in arranged) == ["a", "b", "c"]
