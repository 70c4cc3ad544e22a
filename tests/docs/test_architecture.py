"""The way of a message is as docs/architecture.md lists it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import entry_points
from itertools import groupby
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from statscache.consumer import StatsConsumer
from statscache.service import Service

PAGE = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")
WAY = PAGE.split("## The way of a message", 1)[1].split("\n## ", 1)[0]
STEPS = re.findall(r"^\d+\. `([\w.]+)`:", WAY, re.MULTILINE)
#: All entry points but one, which has a single plugin that counts by itself.
OTHERS = [entry.name for entry in entry_points(group="statscache.plugin") if entry.name != "pagure"]
MESSAGE = {
    "topic": "io.pagure.prod.pagure.issue.new",
    "msg": {},
    "msg_id": "2024-one",
    "timestamp": 1_717_156_800,
}


class QuietBus:
    """A bus on which messages come when the test says so."""

    name = "quiet"
    no_room = None
    queues = ()
    kept = None

    def __init__(self) -> None:
        self._later: list[Callable[[], object]] = []

    def later(self, call: Callable[[], object]) -> None:
        self._later.append(call)

    def committed(self, position: int) -> None:
        """Nobody waits for it."""

    def lull(self) -> None:
        """Let what waits for a lull be called."""
        while self._later:
            self._later.pop()()


def code_of(name: str) -> CodeType:
    """Return the code of the function with that name."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: Any = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        code: CodeType = found.__code__
        return code
    raise LookupError(name)


@contextmanager
def calls_of(codes: dict[CodeType, str], calls: list[str]) -> Iterator[None]:
    """Note each call of these functions, in their order."""

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code in codes:
            calls.append(codes[frame.f_code])

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)


@pytest.fixture
def way(config: dict[str, Any]) -> Iterator[list[str]]:
    """What is called of the list while one message goes from the hub to its row."""
    settings = {
        **config,
        "statscache.plugins.enabled": [],
        "statscache.plugins.disabled": OTHERS,
        "statscache.monitoring.address": "",
    }
    bus: Any = QuietBus()
    service = Service(settings)
    service.open(settings, bus)
    consumer = StatsConsumer.__new__(StatsConsumer)
    consumer._service = service
    calls: list[str] = []
    with calls_of({code_of(name): name for name in STEPS}, calls):
        consumer.consume({"topic": MESSAGE["topic"], "body": MESSAGE})
        bus.lull()
        service._daemon.flusher.step()
    yield calls
    assert service._daemon.finish(10)


def test_each_step_is_called_once_and_in_this_order(way: list[str]) -> None:
    """There are fifteen at most."""
    assert 10 <= len(STEPS) <= 15
    assert way == STEPS


def test_no_stage_is_gone_back_to() -> None:
    """A stage is a folder, or a file at the root. Only plugins are asked twice: to process, and to update."""
    stages = [stage for stage, _ in groupby(name.split(".")[1] for name in STEPS)]
    assert [stage for stage in set(stages) if stages.count(stage) > 1] == ["plugins"]
    assert stages.count("plugins") == 2


def test_every_place_that_the_page_names_is_there() -> None:
    """Files, folders and functions in backquotes exist."""
    root = Path(__file__).parents[2]
    for name in re.findall(r"`((?:statscache|statscache_plugins)/[\w/]*(?:\.py)?)`", PAGE):
        assert (root / name).exists(), name
    for name in re.findall(r"`(statscache\.[\w.]+\.[A-Z]\w+[\w.]*)`", PAGE):
        code_of(name)
