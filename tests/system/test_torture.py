"""A short form of the fault-injection suite; `make torture` is the long one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.system.torture.suite import Load, drawn, run

#: That of a scenario with two daemons.
SEED = 2
#: What is sent while commands are interrupted, which take seconds to start.
COMMANDED = Load(1_000, 150.0)


def test_all_tables_stay_right_whatever_is_killed_or_cut_off(capsys: Any) -> None:
    """Two daemons on one database, with plugins that fail, under every kind of fault, end with every cell right."""
    score = run(drawn("mix", 1, SEED), Load(6_000, 600.0), SEED, say=lambda line: None)
    with capsys.disabled():
        print(f"\n{score}")
    assert score.differences == []
    assert score.faults.total() > 0


@pytest.mark.slow
@pytest.mark.parametrize("group", ["keep", "forget", "upgrade"])
def test_so_they_do_whatever_command_is_interrupted(group: str, capsys: Any) -> None:
    """Rows are dropped, people forgotten and tables upgraded while daemons count, and none of it ends half done."""
    score = run(drawn(group, 1, 1), COMMANDED, 1, say=lambda line: None)
    with capsys.disabled():
        print(f"\n{score}")
    assert score.differences == []
    assert score.faults.total() > 0
