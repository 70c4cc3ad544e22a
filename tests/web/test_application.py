"""The application on servers of others."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from statscache.errors import Unusable
from statscache.web import create_app
from tests.support.hub import wait_for
from tests.support.place import Place


def test_any_asgi_server_can_run_it(database: str, tmp_path: Path) -> None:
    """uvicorn's own command does, with the application or what makes it."""
    place = Place(tmp_path, database)
    for arguments in (["statscache.web.asgi:app"], ["--factory", "statscache.web:create_app"]):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "--port", str(port), *arguments],
            cwd=tmp_path,
            env=place.environment,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_for("the server", lambda port=port: _answers(port))
        finally:
            process.terminate()
            process.wait(10)


def _answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/api/")
        return bool(json.loads(connection.getresponse().read()))
    except OSError:
        return False


@pytest.mark.parametrize("url", ["postgresql://me:s3cret@h/d?bogus=1", "sqlite:///x"])
def test_a_url_that_no_server_can_be_reached_by_ends_the_start(url: str) -> None:
    """It would look like an outage that passes; the sentence has no password."""
    with pytest.raises(Unusable) as refused:
        create_app({"statscache.sqlalchemy.uri": url})
    assert "statscache.sqlalchemy.uri must be a URL" in str(refused.value)
    assert "s3cret" not in str(refused.value)
