"""One connection to the broker, by pika's adapter for Twisted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pika.adapters.twisted_connection import TwistedProtocolConnection
from pika.connection import Connection
from pika.exceptions import AMQPError, ProbableAccessDeniedError, ProbableAuthenticationError
from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

#: How long in seconds the other end has to agree that a connection ends.
AGREE_S = 5.0
#: What it means that the broker closes a connection without a word, by how far that has come.
CAUSES = {
    Connection.CONNECTION_START: ProbableAuthenticationError(),
    Connection.CONNECTION_TUNE: ProbableAccessDeniedError(),
}


class BrokerConnection(TwistedProtocolConnection):
    """A connection that tells why it could not be opened, and when it is no more."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters)
        #: Fires when the connection is open, which pika sets to None then.
        self.opened: Deferred[Any] = self.ready  # type: ignore[has-type]
        self.lost: Deferred[None] = Deferred()
        self._cause: Exception | None = None
        #: Whether it is we who end it.
        self.given_up = False
        self._impl._adapter_disconnect_stream = self._disconnect

    def _disconnect(self) -> None:
        """Close the stream, before long without the other end, which over TLS is to agree: it may be gone."""
        self.transport.loseConnection()
        self._impl._adapter_call_later(AGREE_S, self._cut_off)

    def _cut_off(self) -> None:
        if not self.lost.called:
            self.transport.abortConnection()

    def when_blocked(self, call: Callable[[str], object]) -> None:
        """Have a function called, with the reason, when the broker takes no more of what we publish."""
        self._impl.add_on_connection_blocked_callback(lambda connection, frame: call(frame.method.reason))

    def _on_connection_failed(self, connection: Any, error: Exception | None = None) -> None:
        ready, self.ready = self.ready, None  # type: ignore[has-type]
        if ready:
            ready.errback(self._cause or error or AMQPError("the broker has closed the connection"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        # Which pika forgets, since it notes that the stream was closed instead.
        self._cause = self._impl._error or CAUSES.get(self._impl.connection_state)
        try:
            super().connectionLost(reason)
        finally:
            self.lost.callback(None)
