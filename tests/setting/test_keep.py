"""How long rows are kept: what is accepted, and what comes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from statscache.errors import Unusable
from statscache.setting.keep import KEEP
from statscache.settings import URI, read_settings


@pytest.mark.parametrize(
    ("value", "length"),
    [
        *(("1s", timedelta(seconds=1)), ("90m", timedelta(minutes=90)), ("36h", timedelta(hours=36))),
        *(("30d", timedelta(days=30)), ("2w", timedelta(days=14)), ("5y", timedelta(days=5 * 366))),
        (timedelta(days=3, seconds=1), timedelta(days=3, seconds=1)),
    ],
)
def test_lengths_are_texts_with_a_unit_or_timedeltas(value: Any, length: timedelta) -> None:
    """A year is no shorter than any."""
    assert KEEP.read({"1s": value}) == {"1s": length}


@pytest.mark.parametrize(
    "value",
    [
        *(None, [], "30d", {"1s": 30}, {"1s": "30"}, {"1s": "0d"}, {"1s": "-1d"}, {"1s": "1.5d"}),
        *({"1s": "30 d"}, {"1s": "30D"}, {"1s": "101y"}, {"1s": "9" * 5000 + "d"}, {"1s": "\u0661d"}),
        *({"1s": timedelta(0)}, {1: "30d"}, {"": "30d"}, {"1s": None}, {"1s": True}),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_anything_else_is_refused_in_one_sentence(value: Any) -> None:
    """Which names the setting, and has examples."""
    settings = {URI: "postgresql:///x", "statscache.keep": value}
    with pytest.raises(
        Unusable, match=r"^statscache.keep must be a mapping from .*'30d'.* correct it in fedmsg.d$"
    ):
        read_settings(settings, {})
