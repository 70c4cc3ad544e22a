"""The authority that a hub trusts which validates signatures."""

from tests.support.authority import authority, settings  # noqa: F401  fixtures
