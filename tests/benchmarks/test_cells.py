"""What the benchmark expects in the tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import messages
from benchmarks.cells import expected, reference
from tests.support.reference import differences


@pytest.mark.parametrize("shape", messages.SPANS)
def test_what_is_expected_is_what_the_reference_says(shape: str, tmp_path: Path) -> None:
    """The benchmark's own faster count agrees with the tests' in every cell."""
    messages.write(path := tmp_path / "messages", shape, 2_000)
    bodies = ((body["msg_id"], body) for body in messages.bodies(path))
    cells = expected(path)
    wanted = {table: rows for table, rows in reference().tables(bodies).items() if table in cells}
    assert all(cells.values())
    assert differences(cells, wanted) == {}
