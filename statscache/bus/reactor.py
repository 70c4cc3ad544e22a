"""Twisted's reactor, in whose loop every bus is heard."""

from __future__ import annotations

import time
from typing import Any


def steady(reactor: Any) -> None:
    """Let a reactor's timers run on the monotonic clock: by themselves they stop for as long as the clock is set back.

    That of others' is what it has been: what they have asked for already is in the present time.
    """
    ahead = reactor.seconds() - time.monotonic()
    reactor.seconds = lambda: time.monotonic() + ahead
