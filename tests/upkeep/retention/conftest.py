from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.recounting import count_all
from tests.support.retention import Hours, KeptBench, Minutes, Seconds

MakeKept = Callable[..., KeptBench]


@pytest.fixture
def make_kept(database: str, tmp_path: Path) -> Iterator[MakeKept]:
    """Makes daemons on plugins of the test's own, each in its own windows; takes their classes and settings."""
    benches: list[KeptBench] = []

    def make(*classes: Any, **settings: Any) -> KeptBench:
        benches.append(KeptBench(database, tmp_path / "spool", *classes, **settings))
        return benches[-1]

    yield make
    for bench in benches:
        bench.engine.dispose()


@pytest.fixture
def words(make_kept: MakeKept) -> KeptBench:
    """A daemon that has counted two hours in full, by the second, the minute and the hour."""
    bench = make_kept(Seconds, Minutes, Hours)
    count_all(bench)
    return bench
