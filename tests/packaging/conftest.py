"""The packages, built once; and all here is slow."""

from __future__ import annotations

import shutil
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
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The packages of this tree."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("needs a clone, whose list of files tells what a package must have")
    return Built(tmp_path_factory.mktemp("built"))
