"""The ports that servers of one's own listen at."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from statscache.demo import processes
from statscache.demo.processes import free_port


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
