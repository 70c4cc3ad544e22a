"""The log names nobody who is forgotten."""

from __future__ import annotations

import logging

import pytest

from statscache.messages.logs import keep_names_out
from statscache.messages.pseudonyms import Pseudonyms, hash_of

KEY, NAME, TOKEN = b"k" * 32, "qzlogname", "forgotten-" + "d" * 20


def test_lines_of_ours_name_nobody_who_is_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    """Neither in the text nor in a traceback; others write what they write."""
    pseudonyms = Pseudonyms()
    keep_names_out(pseudonyms)
    pseudonyms.set(1, KEY, {hash_of(KEY, NAME): TOKEN}, 1)
    try:
        raise ValueError(f"no {NAME}")
    except ValueError:
        logging.getLogger("statscache.some.place").exception("%s has %r", NAME, {"text": f"by\n{NAME}"})
    logging.getLogger("elsewhere").warning("of %s", NAME)
    ours, theirs = caplog.text.split("elsewhere")
    assert NAME not in ours
    assert ours.count(TOKEN) == 3
    assert "ValueError: no" in ours
    assert NAME in theirs
