"""What one client may ask for."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from statscache.web.errors import Refusal

#: How many bytes the path and the query of a request may have: 20 of the longest keys fit.
LONGEST_URL = 256 * 1024
#: How many clients are remembered at once.
CLIENTS = 10_000
#: For how many seconds' worth a client may ask at once.
BURST = 2


class Allowance:
    """Lets each client put so many questions to the database in a second; what is known already costs nothing.

    :param rate: how many a second
    :param clock: the time in seconds
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, host: str) -> None:
        """Count a question of a client.

        :raises Refusal: if it has put too many
        """
        client, now = _client(host), self._clock()
        left, since = self._clients.pop(client, (self._rate * BURST, now))
        left = min(self._rate * BURST, left + (now - since) * self._rate)
        taken = left >= 1
        self._clients[client] = (left - taken, now)
        if len(self._clients) > CLIENTS:
            self._clients.popitem(last=False)
        if not taken:
            wait = max(1, math.ceil((1 - left) / self._rate))
            raise Refusal(
                429,
                "this client asks more than {rate} times a second: try again later",
                wait,
                rate=f"{self._rate:g}",
            )


def _client(host: str) -> str:
    """Return what stands for a client: its address, of IPv6 the network that one machine usually has."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return host if address.version == 4 else str(ipaddress.ip_network((int(address), 64), strict=False))


class Gate:
    """Refuses requests that are too large, and says to everybody's scripts that they may read the answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refusal = _too_large(scope)
            if refusal is not None:
                headers = {"connection": "close", "access-control-allow-origin": "*"}
                response = JSONResponse({"error": str(refusal)}, refusal.status, headers)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _too_large(scope: Scope) -> Refusal | None:
    if len(scope["query_string"]) + len(scope.get("raw_path") or b"") > LONGEST_URL:
        return Refusal(414, "a URL may have at most {most} bytes", most=LONGEST_URL)
    names = {
        name: value for name, value in scope["headers"] if name in (b"content-length", b"transfer-encoding")
    }
    if names.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in names:
        return Refusal(413, "a request must have no body: put everything into the URL")
    return None
