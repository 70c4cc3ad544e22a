"""Tells open pages at once what has changed."""

from __future__ import annotations

from statscache.web.live.feed import Feed
from statscache.web.live.rounds import tag_of
from statscache.web.live.stream import event_stream

__all__ = ["Feed", "event_stream", "tag_of"]
