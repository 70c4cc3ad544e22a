"""A real server process of the HTTP API, and a client that asks it."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from sqlalchemy import Engine, create_engine

from statscache.daemon import open_daemon
from tests.support.databases import new_database
from tests.support.place import ALL_ON, Place

VOLUME = "/api/volume-1s"
LOGS = "/api/release-engineering-event-logs"
Query = dict[str, Any] | list[tuple[str, Any]]


@dataclass
class Reply:
    """What the server has answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """What the body holds as JSON."""
        return json.loads(self.body, parse_constant=lambda name: pytest_fail(name))

    @property
    def error(self) -> str:
        """The sentence of a refusal."""
        assert list(self.json) == ["error"]
        sentence: str = self.json["error"]
        assert "Traceback" not in sentence
        assert "SELECT" not in sentence
        assert "\n" not in sentence
        return sentence

    @property
    def links(self) -> dict[str, str]:
        """The path and query of other pages, by their relation to this."""
        found = re.findall(r'<(.*?)>; rel="(\w+)"', self.headers.get("Link", ""))
        return {relation: _path(url) for url, relation in found}


def pytest_fail(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def _path(url: str) -> str:
    parts = urlsplit(url)
    assert parts.scheme == "http"
    return f"{parts.path}?{parts.query}"


class Client:
    """Asks a server of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def get(self, path: str, query: Query = (), method: str = "GET", **headers: str) -> Reply:  # type: ignore[assignment]
        """Return the answer; the names of headers have _ for -."""
        if query:
            path = f"{path}?{urlencode(query, doseq=True)}"
        try:
            return self._ask(path, method, headers)
        except http.client.RemoteDisconnected:  # a connection that was idle for too long
            self._connection.close()
            return self._ask(path, method, headers)

    def _ask(self, path: str, method: str, headers: dict[str, str]) -> Reply:
        self._connection.request(
            method, path, headers={key.replace("_", "-"): value for key, value in headers.items()}
        )
        response = self._connection.getresponse()
        reply = Reply(response.status, response.headers, response.read())
        if reply.headers.get("Connection") == "close":
            self._connection.close()
        return reply

    def rows(self, path: str, query: Query = ()) -> list[dict[str, Any]]:  # type: ignore[assignment]
        """Return the rows of a page."""
        reply = self.get(path, query)
        assert reply.status == 200, reply.body
        found: list[dict[str, Any]] = reply.json
        return found

    def pages(self, path: str, query: Query = (), relation: str = "next") -> list[list[dict[str, Any]]]:  # type: ignore[assignment]
        """Return the rows of a page and of all that follow it."""
        reply = self.get(path, query)
        found = []
        while True:
            assert reply.status == 200, reply.body
            found.append(reply.json)
            if relation not in reply.links:
                return found
            reply = self.get(reply.links[relation])


class Server(Client):
    """`statscache serve` in a process of its own, with these settings.

    :param script: a program that is run in the process first
    """

    def __init__(self, directory: Path, uri: str, script: str = "", **settings: Any) -> None:
        place = Place(directory, uri)
        config = {f"statscache.{key.replace('__', '.')}": value for key, value in settings.items()}
        place.configure({"statscache.web.rate": 1_000_000, **config})
        self.process = place.start(
            "serve", "--listen", "127.0.0.1:0", script=script, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line.startswith("http://127.0.0.1:"), self.process.communicate()[1]
        super().__init__(urlsplit(line.strip()).port or 0)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """End it, and return its exit code and what it has logged."""
        self.process.send_signal(number)
        try:
            errors = self.process.communicate(timeout=15)[1]
        finally:
            self.process.kill()
        return self.process.returncode, errors


@contextmanager
def filled(server: Engine, directory: Path, *messages: dict[str, Any]) -> Iterator[tuple[Engine, Server]]:
    """Give an API, with every plugin on, on the tables that these messages make, and an engine on them.

    It must end well, and log nothing.
    """
    with new_database(server) as url:
        config = {
            "statscache.sqlalchemy.uri": url,
            "statscache.spool.directory": str(directory / "spool"),
            "statscache.plugins.enabled": ALL_ON,
        }
        daemon = open_daemon(config)
        for message in messages:
            daemon.intake.accept(message)
        assert daemon.finish(30)
        engine = create_engine(url)
        web = Server(directory, url, plugins__enabled=ALL_ON)
        try:
            yield engine, web
        finally:
            ended = web.end()
            engine.dispose()
        assert ended == (0, ""), ended


def body(number: int) -> dict[str, Any]:
    """Return an ordinary message."""
    topic = "org.fedoraproject.prod.bodhi.update.comment"
    return {"topic": topic, "msg": {}, "msg_id": f"2024-{number}", "timestamp": 1_717_156_800 + number}
