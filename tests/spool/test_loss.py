"""What was lost since a spool had no room: it is counted once, whatever becomes of the process and the disk."""

from __future__ import annotations

import errno
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from statscache.spool.layout import LOST
from statscache.spool.loss import Loss
from statscache.spool.spool import Spool
from tests.support.spools import reopened


def test_a_loss_survives_the_process(spool: Spool, directory: Path) -> None:
    """How many were lost, and of which times, is still known after the death of the process."""
    assert spool.loss is None
    for timestamp in (5.5, 3, 9.25):
        spool.lose(timestamp, "the spool had no room")
    spool = reopened(spool, directory)
    assert spool.loss == Loss(3, 3, 9.25)
    spool.lose(1, "the spool had no room")
    spool.forget_loss(Loss(3, 3, 9.25))
    assert spool.loss is not None
    assert spool.loss.count == 1
    spool.forget_loss(spool.loss)
    spool = reopened(spool, directory)
    assert spool.loss is None
    spool.close()


def test_a_loss_whose_file_is_gone_is_written_anew(spool: Spool, directory: Path) -> None:
    """If somebody deletes that file, the next daemon still knows what was lost."""
    spool.lose(5.0, "full")
    (directory / spool.id / LOST).unlink()
    spool.see_to_place()
    assert reopened(spool, directory).loss == Loss(1, 5.0, 5.0, 0, "full")


def test_a_loss_is_known_though_it_cannot_be_written(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On a disk that takes nothing at all, a loss is still counted and recorded by the next flush."""

    def fail(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", fail)
    for timestamp in (1, 2, 3):
        spool.lose(timestamp, "the spool had no room")
    assert spool.loss == Loss(3, 1, 3)
    assert "No space left" in caplog.text


def test_losses_noted_while_others_are_recorded_are_all_counted(spool: Spool) -> None:
    """The intake's thread notes losses while the flush's thread takes off what it has recorded."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=lambda: [spool.lose(1.0, "the spool had no room") for _ in range(3000)])
    thread.start()
    recorded = 0
    while thread.is_alive() or spool.loss:
        if loss := spool.loss:
            recorded += loss.count
            spool.forget_loss(loss)
    sys.setswitchinterval(interval)
    assert recorded == 3000
