"""Keeping the names of people who are forgotten out of the log, whichever line would have them."""

from __future__ import annotations

import logging
import traceback
from typing import Any
from weakref import WeakSet

from statscache.messages.pseudonyms import Pseudonyms

#: Whose lines are looked at.
OURS = "statscache"

_lists: WeakSet[Pseudonyms] = WeakSet()
_make = logging.getLogRecordFactory()


def keep_names_out(pseudonyms: Pseudonyms) -> None:
    """From now on, write in lines of our log what is written instead of names."""
    _lists.add(pseudonyms)
    if logging.getLogRecordFactory() is not _make_without_names:
        global _make
        _make = logging.getLogRecordFactory()
        logging.setLogRecordFactory(_make_without_names)


def _make_without_names(*arguments: Any, **named: Any) -> logging.LogRecord:
    record = _make(*arguments, **named)
    lists = [its for its in tuple(_lists) if its]
    if lists and record.name.partition(".")[0] == OURS:
        trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        record.msg, record.args = _without(record.getMessage(), lists), ()
        if trace:
            record.exc_info, record.exc_text = None, _without(trace, lists).rstrip("\n")
    return record


def _without(text: str, lists: list[Pseudonyms]) -> str:
    for its in lists:
        text = its.throughout(text)
    return text
