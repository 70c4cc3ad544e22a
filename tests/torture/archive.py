"""A stand-in for datagrepper: it serves what was sent, in pages of datagrepper's form.

Unlike the real one it does not cut timestamps to whole seconds, so that tables can be compared cell by cell, and its
pages never fail.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

from tests.reference import Body, usable

#: The most rows of a page.
ROWS = 100


class Archive:
    """Serves ``GET /raw`` with `start`, `end`, `order`, `page` and `rows_per_page`. Only messages with a usable time
    are in it."""

    def __init__(self, bodies: list[Body]) -> None:
        kept = {json.dumps(body, sort_keys=True): body for body in bodies if usable(body)}
        self._bodies = sorted(kept.values(), key=lambda body: float(body["timestamp"]))
        archive = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                given = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
                answer = json.dumps(archive.page(**given)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/raw"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def page(
        self,
        start: str = "0",
        end: str = "inf",
        order: str = "desc",
        page: str = "1",
        rows_per_page: str = "25",
    ) -> dict[str, Any]:
        """Return a page of the messages from `start` to `end`, both in epoch seconds."""
        rows, number = min(int(rows_per_page), ROWS), int(page)
        found = [body for body in self._bodies if float(start) <= body["timestamp"] <= float(end)]
        found = found if order == "asc" else found[::-1]
        shown = found[(number - 1) * rows : number * rows]
        arguments = {"start": float(start), "end": float(end), "order": order, "page": number}
        return {
            "arguments": {**arguments, "rows_per_page": rows},
            "count": len(shown),
            "pages": -(-len(found) // rows),
            "raw_messages": shown,
            "total": len(found),
        }

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()


def fetch(url: str) -> Iterator[Body]:
    """Yield all messages of an archive, page by page."""
    page, pages = 1, 1
    while page <= pages:
        with urlopen(f"{url}?order=asc&rows_per_page={ROWS}&page={page}") as answer:
            found = json.load(answer)
        yield from found["raw_messages"]
        page, pages = page + 1, found["pages"]
