"""Clients that keep `statscache serve` waiting, and one among them that does not."""

from __future__ import annotations

import resource
import socket
import time
from contextlib import ExitStack, closing
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine

from tests.support.slow_clients import SlowClients
from tests.support.web import VOLUME, Client, Server

#: So many descriptors let a quarter of them be connections.
DESCRIPTORS = 160
#: How long in seconds slow clients stay.
STAY = 15.0


@pytest.mark.slow
def test_slow_clients_keep_nobody_else_from_asking(made: tuple[Engine, Server]) -> None:
    """Whoever asks gets rows at once, however many others send nothing or little, and memory stays flat."""
    web = made[1]
    resource.prlimit(web.process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    process = psutil.Process(web.process.pid)
    assert len(web.rows(VOLUME)) == 100
    memory = process.memory_info().rss
    with SlowClients(("127.0.0.1", web.port)).at_work():
        until = time.monotonic() + STAY
        while time.monotonic() < until:
            before = time.monotonic()
            assert len(Client(web.port).rows(VOLUME)) == 100
            assert time.monotonic() - before < 3
            assert process.num_fds() < DESCRIPTORS
            time.sleep(0.1)
        assert process.memory_info().rss < memory + (20 << 20)


def test_clients_that_fetch_no_answers_are_ended(tmp_path: Path, made: tuple[Engine, Server]) -> None:
    """They keep no place for ever, and others are answered meanwhile."""
    url = made[0].url.render_as_string(hide_password=False)
    web = Server(tmp_path, url, script="from statscache.web import protocol\nprotocol.ANSWER = 1.5")
    request = b"GET /api/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"
    with ExitStack() as stack:
        idle = [stack.enter_context(closing(reading_nothing(web.port))) for _ in range(20)]
        for each in idle:
            each.sendall(request * 200)
        assert len(web.rows(VOLUME)) == 100
        process = psutil.Process(web.process.pid)
        until = time.monotonic() + 30
        while len(process.net_connections()) > 5:
            assert time.monotonic() < until
            time.sleep(0.1)
    assert web.end() == (0, "")


def reading_nothing(port: int) -> socket.socket:
    """Return a connection on which little can arrive that is not read."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    return client
