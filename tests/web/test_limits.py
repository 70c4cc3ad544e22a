"""What one client may ask for."""

from __future__ import annotations

import http.client
import socket
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine

from statscache.daemon import open_daemon
from statscache.web.errors import Refusal
from statscache.web.limits import CLIENTS, Allowance
from tests.support.web import VOLUME, Server


def test_a_client_that_asks_too_often_waits(server: Engine, database: str, tmp_path: Path) -> None:
    """Past its rate it gets 429 and when to come back; what has not changed costs nothing."""
    config = {"statscache.sqlalchemy.uri": database, "statscache.spool.directory": str(tmp_path / "spool")}
    open_daemon(config).engine.dispose()
    web = Server(tmp_path, database, web__rate=2)
    tag = web.get(VOLUME).headers["ETag"]
    replies = [web.get(VOLUME, {"limit": number}) for number in range(1, 9)]
    assert [reply.status for reply in replies][:3] == [200] * 3
    assert replies[-1].status == 429
    assert replies[-1].error == "this client asks more than 2 times a second: try again later"
    assert replies[-1].headers["Retry-After"] == "1"
    assert web.get(VOLUME).status == 200
    assert web.get(VOLUME, If_None_Match=tag).status == 304
    assert web.end() == (0, "")


def test_an_allowance_comes_back_with_time() -> None:
    """Two seconds' worth may be asked for at once, then one at a time; each client has its own."""
    now = [0.0]
    allowance = Allowance(3, lambda: now[0])
    for _ in range(6):
        allowance.take("10.0.0.1")
    with pytest.raises(Refusal):
        allowance.take("10.0.0.1")
    allowance.take("10.0.0.2")
    now[0] += 0.34
    allowance.take("10.0.0.1")
    with pytest.raises(Refusal):
        allowance.take("10.0.0.1")


def test_one_ipv6_network_is_one_client() -> None:
    """A machine has 2**64 addresses there; and no more clients are remembered than there is room for."""
    allowance = Allowance(0.5, lambda: 0.0)
    allowance.take("2001:db8::1")
    with pytest.raises(Refusal):
        allowance.take("2001:db8::ffff:2")
    allowance.take("2001:db8:0:1::1")
    for number in range(CLIENTS):
        allowance.take(str(number))
    allowance.take("2001:db8::1")


def send_headers(connected: socket.socket) -> None:
    """Send headers without an end."""
    for _ in range(200):
        connected.sendall(b"x: " + b"y" * 10_000 + b"\r\n")
        time.sleep(0.005)


@pytest.mark.slow
def test_a_request_may_not_be_large(web: Server) -> None:
    """A body and a URL of no end are refused, and the server goes on."""
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)
    connection.request("GET", VOLUME, body=b"x" * 10)
    assert connection.getresponse().status == 413
    connection.close()
    reply = web.get("/api/volume-by-category-1s", {"category": ["x" * 2600] * 120})
    assert (reply.status, reply.error) == (414, f"a URL may have at most {256 * 1024} bytes")
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connected:
        connected.sendall(b"GET /api/ HTTP/1.1\r\n")
        with pytest.raises(OSError, match=r"reset|pipe"):
            send_headers(connected)
    assert web.get("/api/").status == 200
