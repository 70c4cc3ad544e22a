"""The packages, built once; and all here is slow."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.built import ROOT, Built

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what builds and installs packages."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def built() -> Iterator[Built]:
    """The packages of this tree, in a directory that the owner of a test's server may enter, too.

    One of pytest's own would not do: each run of pytest that begins closes all of them to other users.
    """
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("needs a clone, whose list of files tells what a package must have")
    with tempfile.TemporaryDirectory(prefix="statscache-packages-") as directory:
        yield Built(Path(directory))
