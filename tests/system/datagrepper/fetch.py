"""A client that takes all and forgives nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.request import urlopen

from tests.support.reference import Body
from tests.system.datagrepper.query import MOST


def fetch(url: str) -> Iterator[Body]:
    """Yield all messages of an archive, page by page."""
    page, pages = 1, 1
    while page <= pages:
        with urlopen(f"{url}?order=asc&rows_per_page={MOST}&page={page}") as answer:
            found = json.load(answer)
        yield from found["raw_messages"]
        page, pages = page + 1, found["pages"]
