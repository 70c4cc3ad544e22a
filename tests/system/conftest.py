"""The authority that a hub trusts which validates signatures; and all here is slow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.authority import authority, settings  # noqa: F401  fixtures

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts real hubs, suites and stand-ins."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)
