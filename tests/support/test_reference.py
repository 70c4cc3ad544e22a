"""The reference that the fault injection compares with agrees with the oracle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.reference import Reference, differences
from tests.support.shared import read_lines
from tests.support.tables import expected_tables


@pytest.mark.parametrize("name", ["messages", "derived"])
def test_the_reference_agrees_with_the_oracle(name: str, shared: Path, capsys: Any) -> None:
    """Of the real messages it makes the same tables, cell by cell."""
    lines = read_lines(shared / "data" / f"{name}.jsonl")
    computed = {id(line["message"]): line["computed"] for line in lines}
    reference = Reference(
        lambda body: computed[id(body)]["usernames"] or (),
        lambda body: computed[id(body)]["packages"] or (),
    )
    found = reference.tables((str(line["n"]), line["message"]) for line in lines)
    expected = expected_tables(
        json.loads((shared / "data" / f"expected_{name}.json").read_text(encoding="utf-8"))
    )
    assert differences(found, expected) == {}
    assert reference.broken == set()
    with capsys.disabled():
        print(f"\n{sum(map(len, expected.values()))} cells compared, 0 differ")
