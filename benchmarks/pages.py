"""Open pages that follow the bus as the page's script does, from a process of their own.

usage: python -m benchmarks.pages PORT < PATHS

PATHS is a line of JSON: the path of each page. Once all are open there is a line of output. Any further line of input
closes them; then there is a line of JSON: how many times they were told of a change, and how many were loaded anew.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import Counter
from html import unescape

LIVE = re.compile(r'data-live="([^"]*)"')
#: What the page's script sends, as browsers do.
RENEWAL = {"Accept": "text/html", "X-Follows": "1", "Accept-Encoding": "gzip"}
#: How long in seconds any answer may take.
PATIENCE = 60.0
#: So many are opened at once.
AT_ONCE = 10


class Page:
    """A page in a browser that nobody closes."""

    def __init__(self, port: int, path: str, seen: Counter[str]) -> None:
        self._port, self._path, self._seen = port, path, seen
        self._changed = asyncio.Event()

    async def open(self) -> list[asyncio.Task[None]]:
        """Load it, and let it follow the bus; return what goes on until it is cancelled."""
        text = (await self._load({"Accept": "text/html"})).decode()
        live = LIVE.search(text)
        assert live, text[:2000]
        reader, writer = await self._ask(unescape(live[1]), {"Accept": "text/event-stream"})
        assert b" 200 " in await reader.readline()
        return [asyncio.create_task(self._follow(reader, writer)), asyncio.create_task(self._renew())]

    async def _follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                if line.startswith(b"event: change"):
                    self._seen["told"] += 1
                    self._changed.set()
        finally:
            writer.close()
        self._seen["ended"] += 1

    async def _renew(self) -> None:
        """Load it after a change: of what comes meanwhile, only the last counts."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._load(RENEWAL)
            self._seen["loaded"] += 1

    async def _load(self, headers: dict[str, str]) -> bytes:
        """Return the body of the page."""
        async with asyncio.timeout(PATIENCE):
            reader, writer = await self._ask(self._path, {**headers, "Connection": "close"})
            try:
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            finally:
                writer.close()
        if b" 200 " not in head.partition(b"\r\n")[0]:
            self._seen["refused"] += 1
        return body

    async def _ask(
        self, path: str, headers: dict[str, str]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n{told}\r\n".encode())
        return reader, writer


async def main(port: int) -> None:
    """Open all, and close them when there is more input."""
    seen: Counter[str] = Counter(told=0, loaded=0, refused=0, ended=0)
    turns = asyncio.Semaphore(AT_ONCE)

    async def opened(path: str) -> list[asyncio.Task[None]]:
        async with turns:
            return await Page(port, path, seen).open()

    paths = json.loads(await asyncio.to_thread(sys.stdin.readline))
    tasks = [task for each in await asyncio.gather(*map(opened, paths)) for task in each]
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    failed = sum(task.done() and not task.cancelled() and task.exception() is not None for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(json.dumps({**seen, "failed": failed}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
