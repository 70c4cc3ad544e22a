"""HEAD at the health endpoints."""

from __future__ import annotations

import http.client

import pytest

from statscache.health.server import HealthServer


@pytest.mark.parametrize("path", ["/live", "/ready", "/metrics", "/nothing"])
def test_head_is_answered_as_get_without_the_body(path: str) -> None:
    """With the same code, type and length, and nothing behind them."""
    server = HealthServer("127.0.0.1:0")
    server.start()
    try:
        answers = {}
        for method in ("GET", "HEAD"):
            connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=5)
            connection.request(method, path)
            reply = connection.getresponse()
            answers[method] = reply.status, reply.headers["Content-Type"], len(reply.read())
            connection.close()
            if method == "HEAD" and path != "/metrics":  # whose figures change from one to the next
                assert int(reply.headers["Content-Length"]) == answers["GET"][2]
        assert answers["HEAD"] == (*answers["GET"][:2], 0)
    finally:
        server.stop()
