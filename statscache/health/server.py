"""The health endpoints over HTTP, on threads of their own: they answer however busy the hub is."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import make_wsgi_app

from statscache.errors import Unusable
from statscache.health.checks import Health, Trouble
from statscache.health.collector import make_registry
from statscache.health.http_server import HttpServer

log = logging.getLogger(__name__)

KEY = "statscache.monitoring.address"
STARTING = Trouble("daemon", "statscache is starting", "statscache is starting", 0.0)

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class HealthServer:
    """The server of the health endpoints, which runs before the daemon does. Without an address it does nothing.

    :param address: HOST:PORT, with a port of 0 for any; empty for none
    :raises Unusable: if nothing can listen there
    """

    def __init__(self, address: str) -> None:
        self._health: Health | None = None
        self._metrics = make_wsgi_app(make_registry(lambda: self._health))
        self._server = _listen(address) if address else None
        if self._server:
            self._server.set_app(self.answer)

    @property
    def url(self) -> str:
        """Where it answers, empty for nowhere."""
        if self._server is None:
            return ""
        host, port = str(self._server.server_name), self._server.server_port
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def start(self) -> None:
        """Begin to answer."""
        if self._server:
            threading.Thread(
                target=self._server.serve_forever, name="statscache-monitoring", daemon=True
            ).start()
            log.info("health endpoints: %s/ready, /live and /metrics", self.url)

    def attend(self, health: Health) -> None:
        """Answer for this daemon from now on: its start is over."""
        self._health = health

    def stop(self) -> None:
        """Answer no more."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    @property
    def is_live(self) -> bool:
        """Whether the process is worth keeping."""
        return not self._deaths

    @property
    def status(self) -> str:
        """The state of the daemon and its causes, in one line."""
        troubles = self._troubles
        said = [trouble.text for trouble in troubles] or self._standby
        return f"{self._word(troubles)}{': ' if said else ''}{'; '.join(said)}"

    @property
    def _database(self) -> str | None:
        """The id of the daemon's database, None during the start."""
        return self._health.parts.database if self._health else None

    @property
    def _waiting(self) -> dict[str, list[str]]:
        """How many messages wait in each queue of the broker, a sentence for each; nothing where there is no broker."""
        waiting = self._health.parts.waiting if self._health else {}
        return {"waiting": [_waits(*queue) for queue in waiting.items()]} if waiting else {}

    @property
    def _standby(self) -> list[str]:
        """What another daemon consumes, for which this one stands by, a sentence for each."""
        queues = self._health.parts.watermark.standby if self._health else ()
        return [f"another daemon consumes {queue}" for queue in sorted(queues)]

    @property
    def _troubles(self) -> list[Trouble]:
        return self._health.troubles if self._health else [STARTING]

    @property
    def _deaths(self) -> list[Trouble]:
        return list(self._health.deaths()) if self._health else []

    def answer(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, as a WSGI application."""
        if environ["REQUEST_METHOD"] == "HEAD":
            return self._head(environ, start_response)
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] != "GET":
            return _send(
                start_response, "405 Method Not Allowed", {"error": "only GET and HEAD are answered here"}
            )
        if path == "/metrics":
            found: Iterable[bytes] = self._metrics(environ, start_response)
            return found
        if path == "/ready":
            troubles = self._troubles
            causes = [trouble.text for trouble in troubles]
            body = {
                "status": self._word(troubles),
                "causes": causes,
                "standby": self._standby,
                "database": self._database,
                **self._waiting,
            }
            return _send(start_response, _code(any(trouble.severe for trouble in troubles)), body)
        if path == "/live":
            deaths = self._deaths
            body = {"status": "dead" if deaths else "live", "causes": [death.text for death in deaths]}
            return _send(start_response, _code(bool(deaths)), body)
        return _send(start_response, "404 Not Found", {"error": "there are /live, /ready and /metrics"})

    def _word(self, troubles: Iterable[Trouble]) -> str:
        severe = [trouble.severe for trouble in troubles]
        well = "standby" if self._standby else "ready"
        return "not ready" if any(severe) else "degraded" if severe else well

    def _head(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer as to GET, without the body."""
        started: list[tuple[str, list[tuple[str, str]]]] = []
        body = self.answer({**environ, "REQUEST_METHOD": "GET"}, lambda *given: started.append(given))
        size, (code, headers) = sum(map(len, body)), started[0]
        others = [header for header in headers if header[0] != "Content-Length"]
        start_response(code, [*others, ("Content-Length", str(size))])
        return []


def _listen(address: str) -> HttpServer:
    host, _, port = address.rpartition(":")
    try:
        return HttpServer(host.strip("[]"), int(port))
    except OSError as error:
        raise Unusable(
            f"{KEY} is {address}, but nothing can listen there ({error.strerror or error}): stop what else "
            "listens there, or set another address in fedmsg.d, or '' for none"
        ) from None


def _waits(queue: str, number: int) -> str:
    return f"{number:,} {'message waits' if number == 1 else 'messages wait'} in {queue}"


def _code(bad: bool) -> str:
    return "503 Service Unavailable" if bad else "200 OK"


def _send(start_response: StartResponse, code: str, body: dict[str, Any]) -> list[bytes]:
    data = json.dumps(body).encode() + b"\n"
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    start_response(code, [*headers, ("Content-Length", str(len(data)))])
    return [data]
