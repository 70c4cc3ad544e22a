"""The page about bots has every pattern of the default with its reason."""

from __future__ import annotations

import re

from statscache.setting.bots import BOTS
from tests.support.examples import page

ROW = re.compile(r"^\| `([^`]+)` \| (.+) \|$", re.MULTILINE)


def test_the_page_has_every_pattern_and_its_reason() -> None:
    """In the order of the default, which is that of the alphabet."""
    assert dict(ROW.findall(page("docs/querying/bots.md").prose)) == BOTS
    assert list(BOTS) == sorted(BOTS)
    assert all(BOTS.values())
