"""A short form of the suite that kills daemons while they fill gaps; `make history` is the long one."""

from __future__ import annotations

from typing import Any

from tests.system.history.suite import Suite

#: That of a scenario with one daemon.
SEED = 13


def test_a_daemon_killed_while_it_fills_a_gap_ends_with_every_cell_right(capsys: Any) -> None:
    """At a page's border, within a transaction: all that was sent counts once, and every table is complete."""
    score = Suite(SEED, say=lambda line: None).run(runs=2)
    with capsys.disabled():
        print(f"\n{score}")
    assert score.differences == []
    assert score.runs == 2
