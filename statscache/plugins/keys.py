"""What the keys of plugins' tables may be."""

from __future__ import annotations

from statscache.database.texts import (
    LONGEST_KEY,
    check_key,
    check_keys,
    check_text,
    shortened,
)

__all__ = ["LONGEST_KEY", "check_key", "check_keys", "check_text", "shortened"]
