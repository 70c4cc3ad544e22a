"""What a role may read."""

from __future__ import annotations

from statscache.schema.grants import PRIVATE, PUBLIC
from statscache.schema.prepare import CORE_TABLES


def test_each_table_of_our_own_is_public_or_private() -> None:
    """Whoever adds one decides which; what can be read by a role is decided, and not by default."""
    assert {*PUBLIC, *PRIVATE} == CORE_TABLES | {"statscache_freshness"}
    assert not set(PUBLIC) & set(PRIVATE)
