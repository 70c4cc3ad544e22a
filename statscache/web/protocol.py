"""One client's connection, which is bounded in all that it takes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from statscache.process.descriptors import limit

#: How many seconds a request may take to arrive, and its answer to be made and fetched.
ARRIVAL, ANSWER = 10, 120
#: How many connections there may be at once, if the process may have four times as many descriptors.
CONNECTIONS = 250
#: Under this name the extensions of a request's scope have what lets its answer go on: `Protocol.stream`.
STREAM = "statscache.stream"
#: How many seconds what is sent in an answer that goes on may not arrive. So clients that are gone are noticed.
UNREAD = 60


def places() -> int:
    """Return how many connections there may be at once. One more ends that which has gone longest without a request."""
    return min(CONNECTIONS, limit() // 4)


class Protocol(H11Protocol):
    """Ends a connection on which a request or an answer takes too long, or that has to give way to another."""

    #: All connections without a request that is being answered, that which has been so for longest first.
    waiting: ClassVar[dict[Protocol, None]] = {}

    #: All connections with an answer that goes on. They are counted by who gives such answers.
    streaming: ClassVar[set[Protocol]] = set()

    _deadline: asyncio.TimerHandle | None = None
    _end_stream: Callable[[], None] | None = None
    _stopping = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.waiting[self] = None
        self._set_deadline(ARRIVAL)
        if len(self.connections) - len(self.streaming) > places():
            next(iter(self.waiting)).end()

    def connection_lost(self, exc: Exception | None) -> None:
        self.waiting.pop(self, None)
        self.streaming.discard(self)
        self._end_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_busy():
            self._await_answer()
        elif self._deadline is None:
            self._set_deadline(ARRIVAL)

    def stream(self, end: Callable[[], None]) -> None:
        """Let the present answer take as long as it likes.

        :param end: called when the server stops; must have the answer end soon
        """
        self.streaming.add(self)
        self._end_stream = end
        self._end_deadline()
        its: Any = self.transport.get_extra_info("socket")
        its.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD * 1000)
        if self._stopping:
            end()

    def shutdown(self) -> None:
        self._stopping = True
        if self._end_stream is not None:
            self._end_stream()
        super().shutdown()

    def on_response_complete(self) -> None:
        self.streaming.discard(self)
        self._end_stream = None
        self.waiting[self] = None
        if self._has_unsent():
            self._set_deadline(ANSWER)
        else:
            self._end_deadline()  # uvicorn's own holds until the next request begins
        super().on_response_complete()
        if self._is_busy():
            self._await_answer()

    def end(self) -> None:
        """End the connection, whatever its client does."""
        self.waiting.pop(self, None)
        if self._has_unsent():
            self.transport.abort()
        else:
            self.transport.close()

    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_answer(self) -> None:
        if self in self.waiting:
            del self.waiting[self]
            self._set_deadline(ANSWER)
            scope: Any = self.scope  # of a request of which the application has seen nothing yet
            scope["extensions"] = {STREAM: self.stream}

    def _has_unsent(self) -> bool:
        return self.transport.get_write_buffer_size() > 0

    def _set_deadline(self, seconds: float) -> None:
        self._end_deadline()
        self._deadline = self.loop.call_later(seconds, self.end)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
