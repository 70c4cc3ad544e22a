"""The ports that servers of one's own listen at, and the API of the demo."""

from __future__ import annotations

import socket
from pathlib import Path

import psutil
import pytest

from statscache.demo import processes
from statscache.demo.processes import Processes, free_port


def test_a_server_that_is_away_for_a_moment_gets_its_port_again() -> None:
    """No connection is given it meanwhile, not even one that somebody tries to make to that very port."""
    first = int(processes.GIVEN.read_text().split()[0])
    for _ in range(100):
        port = free_port()
        assert port < first
        socket.create_server(("127.0.0.1", port)).close()


@pytest.mark.parametrize("range_of_ports", ["", "1024 65535", "many few"])
def test_where_there_is_no_such_port_it_is_any(
    range_of_ports: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or where nobody says which they are."""
    given = tmp_path / "ip_local_port_range"
    given.write_text(range_of_ports)
    monkeypatch.setattr(processes, "GIVEN", given)
    socket.create_server(("127.0.0.1", free_port())).close()


def test_a_port_that_is_taken_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can take it afterwards: the server is given the socket itself."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(processes, "PORT", taken.getsockname()[1])
        here, other = Processes(tmp_path), Processes(tmp_path)
        assert len({f"http://127.0.0.1:{processes.PORT}/", here.url, other.url}) == 3
    here.stop()
    other.stop()


def test_a_server_that_cannot_run_is_noticed_and_reaped(tmp_path: Path) -> None:
    """Its log is of this demo alone, and no zombie stays."""
    (tmp_path / "serve.log").write_text("an earlier demo\n")
    (tmp_path / "fedmsg.d").mkdir()
    (tmp_path / "fedmsg.d" / "wrong.py").write_text("config = {'statscache.web.rate': -1}\n")
    here = Processes(tmp_path)
    here.start_server()
    try:
        assert not here.server_answers()
        children = [child.status() for child in psutil.Process().children()]
    finally:
        here.stop()
    log = (tmp_path / "serve.log").read_text()
    assert "statscache.web.rate" in log
    assert "an earlier demo" not in log
    assert psutil.STATUS_ZOMBIE not in children
