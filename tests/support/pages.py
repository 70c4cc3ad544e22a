"""A small HTTP server with datagrepper's pages and, where a test wants it, its troubles."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Row = dict[str, Any]
Query = dict[str, str]


@dataclass
class Reply:
    """An answer in place of the right one.

    :param cut: how many bytes at the end to leave out
    :param whole: whether the length announced is that of what is sent
    """

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    whole: bool = True


#: Gets a query and how often it has come; None is for the right answer.
Trouble = Callable[[Query, int], Reply | None]


class Pages:
    """Rows with exact timestamps, served with timestamps cut to seconds.

    :param late: rows that arrive one by one, one at each request that a coin decides
    :param trouble: what goes wrong; it may sleep
    """

    def __init__(self, rows: list[Row], late: list[Row] | None = None, seed: int = 0) -> None:
        self.rows = list(rows)
        self.late = list(late or [])
        self.random = Random(seed)
        self.trouble: Trouble = lambda query, times: None
        self.ties = False
        self.delay = 0.0
        #: What it has under /topics; None for no such page.
        self.topics: list[str] | None = None
        self.queries: list[tuple[float, Query]] = []
        self.headers: dict[str, str] = {}
        self.busy = self.peak = 0
        self._times: dict[str, int] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}/datagrepper"

    def start(self) -> None:
        """Serve from now on."""
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()

    def reset(self, rows: list[Row], late: list[Row], seed: int) -> None:
        """Serve other rows."""
        self.rows, self.late, self.random = list(rows), list(late), Random(seed)
        self.queries.clear()

    def reply(self, query: Query, headers: dict[str, str]) -> Reply:
        """Return the answer to a query."""
        with self._lock:
            self.busy += 1
            self.peak = max(self.peak, self.busy)
            self.queries.append((time.monotonic(), query))
            self.headers = headers
            key = json.dumps(query, sort_keys=True)
            times = self._times[key] = self._times.get(key, 0) + 1
        try:
            time.sleep(self.delay)
            reply = self.trouble(query, times)
            if reply is None:
                reply = Reply()
            if reply.body is None:
                reply.body = json.dumps(self.page(query)).encode()
            return reply
        finally:
            with self._lock:
                self.busy -= 1

    def page(self, query: Query) -> dict[str, Any]:
        """Return the page that a query is for, as datagrepper would."""
        with self._lock:
            if self.late and self.random.random() < 0.3:
                self.rows.append(self.late.pop())
            start, end = float(query["start"]), float(query["end"])
            topics = query["topic"].split("\n") if "topic" in query else None
            rows = [row for row in self.rows if start <= row["timestamp"] <= end]
            rows = [row for row in rows if topics is None or row["topic"] in topics]
            if self.ties:
                self.random.shuffle(rows)
        rows.sort(key=lambda row: row["timestamp"])
        size = int(query["rows_per_page"])
        begin = (int(query["page"]) - 1) * size
        shown = [{**row, "timestamp": int(row["timestamp"])} for row in rows[begin : begin + size]]
        pages = -(-len(rows) // size)
        return {
            "arguments": query,
            "count": len(shown),
            "pages": pages,
            "raw_messages": shown,
            "total": len(rows),
        }


def _handler(pages: Pages) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet for head and body
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            if address.path == "/datagrepper/topics" and pages.topics is not None:
                self.send(Reply(body=json.dumps(pages.topics).encode()))
                return
            given = parse_qsl(address.query)
            topics = [value for name, value in given if name == "topic"]
            query = {**dict(given), **({"topic": "\n".join(topics)} if topics else {})}
            reply = pages.reply(query, dict(self.headers))
            if address.path != "/datagrepper/raw" and reply.status == 200:
                reply = Reply(404, b"no such page")
            self.send(reply)

        def send(self, reply: Reply) -> None:
            whole = reply.body or b""
            body = whole[: len(whole) - reply.cut]
            self.send_response(reply.status)
            self.send_header("Content-Length", str(len(body if reply.whole else whole)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = not reply.whole

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    return Handler
