"""Spools of small segments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from statscache.spool import segment, segments
from statscache.spool.directory import make_spool
from statscache.spool.spool import Spool
from tests.support.spools import LIMIT


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a new segment follow after few records, and chunks end in the middle of them."""
    monkeypatch.setattr(segments, "SEGMENT", 200)
    monkeypatch.setattr(segment, "CHUNK", 64)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory for spools."""
    return tmp_path / "spools"


@pytest.fixture
def spool(directory: Path) -> Iterator[Spool]:
    """A new spool."""
    spool = make_spool(directory, ["a", "b"], LIMIT)
    yield spool
    spool.close()
