"""Logs are opened anew: nothing is lost, and what cannot be opened goes on where it was."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from statscache.process.hangup import reopen_logs

LOG = logging.getLogger("test_hangup.of_its_own")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """A log, opened as some are so that it loses what it holds when it is opened again."""
    path = tmp_path / "logs" / "statscache.log"
    path.parent.mkdir()
    handler = logging.FileHandler(path, mode="w")
    LOG.addHandler(handler)
    yield path
    LOG.removeHandler(handler)
    handler.close()


def test_a_log_that_was_moved_away_is_made_anew(file: Path) -> None:
    """Each line is in one of the two files, and a second time does no harm."""
    LOG.warning("first")
    old = file.rename(file.with_suffix(".1"))
    LOG.warning("second")
    for _ in range(2):
        reopen_logs()
        LOG.warning("third")
    assert (old.read_text() + file.read_text()).split() == ["first", "second", "third", "third"]
    assert file.read_text().split()[-2:] == ["third", "third"]


def test_a_log_that_cannot_be_made_anew_goes_on(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is said in the other logs."""
    LOG.warning("first")
    moved = file.parent.rename(file.parent.with_name("moved"))
    reopen_logs()
    assert "cannot be opened anew: No such file or directory" in caplog.text
    LOG.warning("second")
    assert (moved / file.name).read_text().split() == ["first", "second"]
