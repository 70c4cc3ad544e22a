"""Changes as server-sent events, as the HTML standard describes them."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from statscache.web.errors import Refusal
from statscache.web.live.feed import Feed
from statscache.web.protocol import STREAM

#: After so many seconds without a change something is sent all the same, so that all between see that it goes on.
HEARTBEAT = 15.0
#: How long in seconds it goes on under a server that does not say when it stops, and would wait for it then. The page
#: comes again.
ELSEWHERE = 20.0
#: The first that is sent; after so many milliseconds a page comes again.
OPENING = "retry: 2000\n\n"
COMMENT = ":\n\n"
FULL = "too many pages are open: this one does not follow the bus, load it again to see what is new"
HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx passes on at once what comes
    "X-Content-Type-Options": "nosniff",
}


async def event_stream(request: Request, feed: Feed, tables: frozenset[str]) -> Response:
    """Return a response that sends an event `change` each time that tables may have changed, until the client goes.

    The data, and the id, of an event is a tag of what the tables hold. A client that names the tag which it has, as
    browsers do that come again, or by the parameter `known`, is at once sent another one if it is not the present one.

    :raises Refusal: if too many are open
    """
    if request.method == "HEAD":
        return Response(headers=HEADERS, media_type="text/event-stream")
    if feed.is_full:
        raise Refusal(503, FULL, 60)
    known = request.headers.get("last-event-id") or request.query_params.get("known") or None
    return EventStream(_events(request.scope, feed, tables, known))


class EventStream(StreamingResponse):
    """A stream whose generator is closed when it ends, however that comes."""

    def __init__(self, events: AsyncGenerator[str]) -> None:
        super().__init__(events, headers=HEADERS, media_type="text/event-stream")
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._events):
            await super().__call__(scope, receive, send)


async def _events(scope: Scope, feed: Feed, tables: frozenset[str], known: str | None) -> AsyncGenerator[str]:
    async with feed.subscription(tables, known) as subscription:
        until = _going_on(scope, subscription.end)
        yield OPENING
        while not subscription.over and (left := until - time.monotonic()) > 0:
            tag = await subscription.next(min(HEARTBEAT, left))
            yield COMMENT if tag is None else f"event: change\nid: {tag}\ndata: {tag}\n\n"


def _going_on(scope: Scope, end: Callable[[], None]) -> float:
    """Have the answer end when the server stops, and return until when it may go on."""
    stream = scope.get("extensions", {}).get(STREAM)
    if stream is None:
        return time.monotonic() + ELSEWHERE
    stream(end)
    return float("inf")
