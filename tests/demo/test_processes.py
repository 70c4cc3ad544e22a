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


def test_an_api_whose_port_was_taken_meanwhile_listens_at_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two demos that start at once both see it as free. The log says which was late, and no zombie stays."""
    (tmp_path / "serve.log").write_text("an earlier demo\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(processes, "PORT", port)
        monkeypatch.setattr(processes, "_is_free", lambda port: True)
        here = Processes(tmp_path)
        here.start_api()
        try:
            url = here.api_url()
            children = [child.status() for child in psutil.Process().children()]
        finally:
            here.stop()
    assert url.startswith("http://127.0.0.1:")
    assert f":{port}/" not in url
    log = (tmp_path / "serve.log").read_text()
    assert "nothing can listen at" in log
    assert "an earlier demo" not in log
    assert psutil.STATUS_ZOMBIE not in children
