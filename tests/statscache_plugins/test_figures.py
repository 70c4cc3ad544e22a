"""The real messages come to exactly the figures that an independent program computed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from statscache.daemon import Daemon
from tests.support.shared import read_lines
from tests.support.tables import assert_as_expected, expected_after

FILES = ["messages", "derived"]


@pytest.mark.parametrize("name", FILES)
def test_every_table_is_as_the_oracle_says(
    name: str, daemon: Daemon, engine: Engine, shared: Path, capsys: Any
) -> None:
    """Every cell of every table is what the oracle expects after all real and all derived messages."""
    for line in read_lines(shared / "data" / f"{name}.jsonl"):
        daemon.intake.accept(line["message"])
    daemon.flusher.flush()
    assert_as_expected(engine, expected_after(shared, name), capsys)


def test_the_figures_by_user_and_package_are_compared(shared: Path) -> None:
    """The processors that the expected users and packages were computed with are installed."""
    if find_spec("fedmsg_meta_fedora_infrastructure") is None:
        pytest.skip("needs fedmsg_meta_fedora_infrastructure for the tables by user and package")


@pytest.mark.parametrize("order", ["shuffled", "backwards"])
def test_the_order_of_arrival_does_not_matter(
    order: str, daemon: Daemon, engine: Engine, shared: Path, capsys: Any
) -> None:
    """The tables are the same when the messages come in another order, over several flushes."""
    lines = read_lines(shared / "data" / "messages.jsonl")
    lines = lines[::-1] if order == "backwards" else lines[1::2] + lines[::2]
    for index, line in enumerate(lines):
        daemon.intake.accept(line["message"])
        if index % 50 == 0:
            daemon.flusher.flush()
    daemon.flusher.flush()
    assert_as_expected(engine, expected_after(shared, "messages"), capsys)
