"""The benchmark's messages."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import messages


def test_messages_are_as_the_figures_say(tmp_path: Path) -> None:
    """About 700 bytes, 22 categories, 16 % of pagure's, within the span of their shape."""
    messages.write(path := tmp_path / "messages", "day", 5_000)
    bodies = list(messages.bodies(path))
    assert 650 < path.stat().st_size / len(bodies) < 750
    assert len({body["topic"].split(".")[3] for body in bodies}) == 22
    assert 0.14 < sum("pagure" in body["topic"] for body in bodies) / len(bodies) < 0.18
    assert 86_000 < bodies[-1]["timestamp"] - bodies[0]["timestamp"] < 86_400


def test_a_line_gets_another_timestamp(tmp_path: Path) -> None:
    """Nothing else of the message changes."""
    line = next(messages.lines("burst", 1))
    body = json.loads(messages.at(line, messages.stamp(1_800_000_000.25)))
    assert body == json.loads(line) | {"timestamp": 1_800_000_000.25}
    assert messages.topic_of(line).decode() == body["topic"]
