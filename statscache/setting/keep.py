"""How long the rows of tables are kept: how that setting is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from statscache.setting.setting import SettingType

EXPECTED = (
    "a mapping from the length of windows, or the ident of a plugin, to how long its rows are kept, such as "
    "{'1s': '30d', 'volume-by-user-1h': '5y'}, with whole numbers of s, m, h, d, w or y, or timedeltas"
)
#: The units of a length of time, in seconds. A year is one of 366 days, so that nothing is kept for less than it says.
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 366 * 86_400}
LENGTH = re.compile(r"([0-9]{1,9})([smhdwy])")
LONGEST = timedelta(days=100 * 366)


def _length(value: Any) -> timedelta:
    if isinstance(value, str) and (match := LENGTH.fullmatch(value)):
        value = timedelta(seconds=min(int(match[1]) * UNITS_S[match[2]], 2 * LONGEST.total_seconds()))
    if not isinstance(value, timedelta) or not timedelta(0) < value <= LONGEST:
        raise ValueError(EXPECTED)
    return value


def _keep(value: Any) -> Mapping[str, timedelta]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) and key for key in value):
        raise ValueError(EXPECTED)
    return {key: _length(its) for key, its in value.items()}


KEEP = SettingType("mapping from text to text or timedelta", "", _keep)
