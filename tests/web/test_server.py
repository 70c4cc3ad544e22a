"""A server of the API's own: where it listens, and for whom it does not wait."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from statscache.errors import Unusable
from statscache.settings import SETTINGS
from statscache.web.server import listen
from tests.support.commands import NOWHERE
from tests.support.place import Place

SLOW = """
from statscache.web import protocol
protocol.ARRIVAL = 0.5
from statscache.cli import main
main()
"""


def test_a_request_that_never_comes_is_not_waited_for(tmp_path: Path) -> None:
    """A connection on which nothing, or half a request, arrives is closed, also after a whole request."""
    place = Place(tmp_path, NOWHERE)
    command = [sys.executable, "-c", SLOW, "serve", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=place.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    port = int(process.stdout.readline().rsplit(":", 1)[1].split("/")[0])
    half = b"GET /api/ HTTP/1.1\r\nHost: a\r\n"
    for sent in ([b""], [half], [half + b"\r\n", half]):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connected:
            for part in sent[:-1]:
                connected.sendall(part)
                assert connected.recv(65536).startswith(b"HTTP/1.1 200 OK")
            connected.sendall(sent[-1])
            while connected.recv(65536):
                pass
    process.terminate()
    assert process.communicate(timeout=10)[1] == ""


def test_an_address_that_is_taken_is_told() -> None:
    """So is one that this machine has not got."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            Unusable, match=rf"^nothing can listen at 127\.0\.0\.1:{port} \(Address already in use\): "
        ):
            listen(("127.0.0.1", port))
    with pytest.raises(Unusable, match=r"^nothing can listen at 192\.0\.2\.1:0 "):
        listen(("192.0.2.1", 0))


def test_other_machines_do_not_reach_it_by_default() -> None:
    """The default is the loopback."""
    setting = SETTINGS["statscache.web.address"]
    assert setting.read(setting.default)[0] == "127.0.0.1"


def test_it_answers_over_ipv6() -> None:
    """An address in brackets is one of IPv6, where the machine has got it."""
    with suppress(Unusable), listen(SETTINGS["statscache.web.address"].read("[::1]:0")) as listening:
        assert listening.family == socket.AF_INET6
