"""From when until when everything on the bus was heard."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterable

from statscache.bus.checks import Check, Checks
from statscache.bus.endpoints import Endpoints
from statscache.bus.looks import FROZEN, PAUSE, Looks
from statscache.process.clocks import Clocks, Reading
from statscache.span import Span

log = logging.getLogger(__name__)

#: A connection counts from so many seconds on: a subscription takes effect a moment after it, and clocks differ.
SETTLE = 5.0
#: A lost message whose timestamp is more than so many seconds ahead does not say when anything happened.
AHEAD = 86_400


class Watermark:
    """Tells what bus time was heard in full: while all endpoints were connected, and as far as all was committed.

    The reactor's thread reports, and any thread asks.

    A span begins by that of the clocks which is ahead and ends by that which is behind, and when one of them is set
    another begins. So what is claimed was heard if either of them was right.

    :param on_end: called, with the lock held, when a span has ended
    """

    def __init__(self, clocks: Clocks, on_end: Callable[[], object] = lambda: None) -> None:
        self.clocks = clocks
        self._on_end = on_end
        self._lock = threading.Lock()
        self._endpoints = Endpoints()
        self._earliest = 0
        self._start: int | None = None
        self._stop = 0
        self._claimed: int | None = None
        self._claim: tuple[Span, Reading] | None = None
        self._back_since = -math.inf
        self._checks = Checks()
        self._looks = Looks()
        self._began = clocks.read()
        #: The end of the last claim, in seconds since 1970: a message of before it has come too late to be in it.
        self.late_before = 0

    def expect(self, endpoints: Iterable[str]) -> None:
        """Name the endpoints that there are: nothing is heard in full until all are connected."""
        with self._lock:
            self._endpoints.expect(endpoints, self.clocks.monotonic())
            self._begin()

    def connected(self, endpoint: str, kept: bool = False) -> None:
        """Note that an expected endpoint is connected.

        :param kept: whether everything was kept that was sent since it was disconnected, and comes now
        """
        with self._lock:
            if self._endpoints.missing.pop(endpoint, None) is None:
                return
            if kept and self._start is not None:
                self._back_since = self.clocks.read().latest
            else:
                self._begin()

    def disconnected(self, endpoint: str, may_keep: bool = False) -> None:
        """Note that an expected endpoint is not connected any more; it may keep for us what is sent from now on."""
        with self._lock:
            self._endpoints.missing.setdefault(endpoint, self.clocks.monotonic())
            self._endpoints.standby.pop(endpoint, None)
            if not may_keep:
                self._begin()

    def resume(self, second: int) -> None:
        """Begin the present span at an earlier second: all that was sent since then was kept, and comes now."""
        with self._lock:
            if self._start is not None and self._claimed is None:
                self._start = min(self._start, second)
                self._back_since = self._began.latest

    def stand_by(self, endpoint: str) -> None:
        """Note that another daemon hears what comes by an endpoint, and we do not."""
        with self._lock:
            self._endpoints.standby[endpoint] = math.floor(self.clocks.read().earliest)
            self._begin()

    def take_over(self, endpoint: str) -> None:
        """Note that it is we who hear what comes by an endpoint from now on."""
        with self._lock:
            self._endpoints.standby.pop(endpoint, None)
            self._begin()

    def interrupt(self, second: int) -> None:
        """Note that a message of that second was lost."""
        with self._lock:
            if second <= self.clocks.read().latest + AHEAD:
                self._earliest = max(self._earliest, second + 1)
            self._begin()

    def renew(self) -> None:
        """Begin a new span, as nobody knows what was missed until now."""
        with self._lock:
            self._begin()

    def heard(self, sent: Reading, position: int) -> None:
        """Note that all which was sent before an instant lies before a position of the spool.

        :param sent: what the clocks showed at that instant
        """
        with self._lock:
            since = sent.monotonic - self._began.monotonic
            if self._start is not None and since >= 0 and not sent.jump_since(self._began):
                self._checks.keep(Check(sent.earliest, position))

    def checked(self, empty: bool, position: int) -> None:
        """Note whether the sockets have nothing to read just now, and the spool's end.

        To be called about every second, when it is known which endpoints are connected. Two checks in a row that
        find nothing show that what had arrived at the first has been taken by the second. After a long time
        without a check, and when the clock was set, a new span begins.
        """
        now = self.clocks.read()
        with self._lock:
            pause = self._looks.pause(now)
            jump = now.jump_since(self._began)
            if jump or pause > FROZEN:
                self._begin(now)
            arrived = self._looks.note(empty and self._start is not None, now)
            if arrived is not None:
                self._checks.keep(Check(arrived.earliest, position))
        if jump:
            log.warning("%s: a new span of coverage begins", jump)

    def claim(self, position: int, lateness: int) -> Span | None:
        """Return what was heard in full since the last claim that was committed, or else since the present span
        began, if the spool is committed up to the position.

        :param lateness: how many seconds old a message may be when it comes
        :return: None if that is nothing
        """
        with self._lock:
            if self._start is None or self.clocks.read().jump_since(self._began):
                return None  # the next check begins a new span
            check = self._checks.last_before(position)
            # Who could not publish while the bus was away may do so for a while after it is back.
            if check and check.instant - lateness >= self._back_since:
                self._stop = math.floor(check.instant - lateness)
            start = self._start if self._claimed is None else self._claimed
            if self._stop <= start:
                return None
            self.late_before = self._stop
            claim = Span(start, self._stop)
            self._claim = claim, self._began
            return claim

    def confirm(self, claim: Span | None) -> Span | None:
        """Return the last claim once more, or its beginning; None if a clock was set since its span began.

        All that a claim goes by was seen before it was made: it holds if the clocks went on evenly until after that.
        """
        with self._lock:
            if claim is None or self._claim is None:
                return None
            whole = self._claim[0]
            if claim.start != whole.start or claim.stop > whole.stop:
                return None
            return None if self.clocks.read().jump_since(self._claim[1]) else claim

    def committed(self, claim: Span | None) -> None:
        """Note that a claim is committed, or its beginning: that is not claimed again."""
        with self._lock:
            if claim:
                self.late_before = min(self.late_before, claim.stop)
            if claim and self._start is not None and claim.start >= self._start:
                self._claimed = claim.stop

    def take_back(self, claimed: int | None) -> None:
        """Note that claims are not committed after all, but those up to a second.

        :param claimed: None for none of the present span
        """
        with self._lock:
            present = claimed is not None and self._start is not None and claimed >= self._start
            self._claimed = claimed if present else None
            self._stop = 0
            self.late_before = claimed or 0

    def skip(self, position: int) -> None:
        """Begin a new span with what came after a position of the spool, as not all before it can be committed.

        When a clock was set since the last check, it begins only now.
        """
        with self._lock:
            now = self.clocks.read()
            after = [] if now.jump_since(self._began) else self._checks.after(position)
            self._begin(now)
            if after and self._start is not None:
                begin = after[0].instant + now.latest - now.earliest + PAUSE + SETTLE
                self._start = max(math.ceil(begin), self._earliest)
                self._checks.take(after)

    def tell_reach(self, tell: Callable[[int | None], object]) -> None:
        """Call a function with up to which second of the present span, which stays, all is committed; None if none."""
        with self._lock:
            tell(self._start if self._claimed is None else self._claimed)

    @property
    def start(self) -> int | None:
        """Where the present span begins, in seconds since 1970, which may yet come; None while there is none."""
        return self._start

    @property
    def looked(self) -> float | None:
        """When the sockets were last looked at, on the monotonic clock; None for never."""
        return self._looks.last

    @property
    def endpoints(self) -> tuple[str, ...]:
        """All endpoints that there are."""
        return self._endpoints.names

    @property
    def missing(self) -> dict[str, float]:
        """The endpoints that are not connected, and since when on the monotonic clock."""
        with self._lock:
            return dict(self._endpoints.missing)

    @property
    def standby(self) -> dict[str, int]:
        """The endpoints by which another daemon hears what comes, and since when, in seconds since 1970."""
        with self._lock:
            return dict(self._endpoints.standby)

    def _begin(self, now: Reading | None = None) -> None:
        """Begin a new span, or none if we do not hear all endpoints."""
        self._began = now = now or self.clocks.read()
        begin = max(math.ceil(now.latest + SETTLE), self._earliest)
        self._start = begin if self._endpoints.all_heard else None
        self.late_before = min(self.late_before, math.floor(now.earliest))
        self._stop = 0
        self._claimed = None
        self._checks.clear()
        self._looks.forget()
        self._back_since = -math.inf
        self._on_end()
