"""`statscache backfill` and `statscache replay --covers`: history by hand, with real archives and processes."""

from __future__ import annotations

from tests.tables import Tables  # noqa: F401  is made below

START = 1_700_000_000
DAY = 86_400
