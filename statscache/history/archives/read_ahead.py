"""Reading ahead."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(parts: Generator[T]) -> Iterator[T]:
    """Yield the parts, of which the next is read on a thread of its own while one is in use."""
    try:
        with ThreadPoolExecutor(1, "statscache-ahead") as thread:
            following = thread.submit(next, parts, None)
            while (part := following.result()) is not None:
                following = thread.submit(next, parts, None)
                yield part
    finally:
        parts.close()
