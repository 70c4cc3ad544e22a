"""The server of the health endpoints, and clients that keep it waiting."""

from __future__ import annotations

import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from statscache.health import http_server
from statscache.health.http_server import CONNECTIONS, HttpServer
from tests.support.hub import wait_for

Connect = Callable[[], socket.socket]


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """A server that answers each whole request with one word."""
    server = HttpServer("127.0.0.1", 0)

    def answer(environ: object, start_response: Callable[..., object]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"well"]

    server.set_app(answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def connect(server: HttpServer) -> Iterator[Connect]:
    """Makes connections to the server."""
    with ExitStack() as stack:
        address = str(server.server_address[0]), server.server_port
        yield lambda: stack.enter_context(closing(socket.create_connection(address, timeout=5)))


def drip(client: socket.socket) -> None:
    """Send a byte now and then."""
    while True:
        client.sendall(b"G")
        time.sleep(0.05)


def test_many_that_send_nothing_take_few_threads_and_keep_nobody_out(
    server: HttpServer, connect: Connect
) -> None:
    """The oldest of them gives way to who asks."""
    threads = threading.active_count()
    silent = [connect() for _ in range(5 * CONNECTIONS)]
    for _ in range(2 * CONNECTIONS):
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/", timeout=5) as answer:
            assert answer.read() == b"well"
    assert threading.active_count() <= threads + CONNECTIONS
    assert silent[0].recv(1) == b""


def test_one_that_drips_is_ended_in_time_however_often_it_sends(
    monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    """What is bounded is the whole time of a request and not the time between two of its bytes."""
    monkeypatch.setattr(http_server, "PATIENCE_S", 0.5)
    before, client = time.monotonic(), connect()
    with pytest.raises(ConnectionError):
        drip(client)
    assert time.monotonic() - before < 3


def test_one_that_breaks_off_is_let_go_of_without_a_word(
    server: HttpServer, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is printed, and its thread ends."""
    threads = threading.active_count()
    client = connect()
    client.sendall(b"GET / HT")
    client.setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
    )  # so that closing it resets it
    client.close()
    wait_for("its thread to end", lambda: threading.active_count() <= threads)
    assert capsys.readouterr() == ("", "")
