"""Answers, with the headers that say how new they are."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

from starlette.requests import Request
from starlette.responses import Response

from statscache.web.database import Version
from statscache.web.formats import content_type

#: How many bytes of answers are remembered.
MEMORY = 32 * 1024 * 1024
HOST = re.compile(r"[A-Za-z0-9.:_\[\]-]+")
#: What every answer has.
COMMON = {
    "Cache-Control": "no-cache",  # a cache must ask whether it is unchanged
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Link, X-Link-Number, X-Link-Count, ETag, Last-Modified, Retry-After",
}


@dataclass(frozen=True)
class Answer:
    """An answer that does not depend on who asks.

    :param links: the queries of other pages, by their relation to this one
    """

    body: bytes
    media: str
    headers: Mapping[str, str]
    links: Mapping[str, str]

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return len(self.body) + sum(map(len, self.links.values())) + 500


class Memory:
    """Answers that were given before, the latest `MEMORY` bytes of them."""

    def __init__(self) -> None:
        self._answers: OrderedDict[object, Answer] = OrderedDict()
        self._size = 0

    def get(self, key: object) -> Answer | None:
        """Return an answer that was put under this key, None if there is none any more."""
        answer = self._answers.get(key)
        if answer is not None:
            self._answers.move_to_end(key)
        return answer

    def put(self, key: object, answer: Answer) -> None:
        """Remember an answer."""
        if key not in self._answers:
            self._answers[key] = answer
            self._size += answer.size
        while self._size > MEMORY:
            self._size -= self._answers.popitem(last=False)[1].size


def freshness(version: Version | None, tag: str, dated: bool = True) -> dict[str, str]:
    """Return the headers that tell how new an answer is.

    :param dated: whether it changes only when the table is written

    What was written within the last minute is dated a second earlier: another flush could still commit with the
    same second, and would then be taken for this one.
    """
    if version is None:
        return {}
    if not dated:
        return {"ETag": f'W/"{tag}"'}
    second = version.updated.astimezone(UTC).replace(microsecond=0)
    modified = second if version.settled else second - timedelta(seconds=1)
    return {"ETag": f'W/"{tag}"', "Last-Modified": format_datetime(modified, usegmt=True)}


def is_unchanged(request: Request, tag: str, updated: datetime | None) -> bool:
    """Return whether the client has this answer already, by what it says it has."""
    known = request.headers.get("if-none-match")
    if known is not None:
        tags = [part.strip().removeprefix("W/") for part in known.split(",")]
        return "*" in tags or f'"{tag}"' in tags
    since = request.headers.get("if-modified-since")
    if since is None or updated is None:
        return False
    try:
        # A later date is no proof: the clock may have been set back since.
        return updated.replace(microsecond=0) == parsedate_to_datetime(since).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return False


def response(request: Request, answer: Answer, fresh: Mapping[str, str]) -> Response:
    """Return the response that carries an answer."""
    headers = {**COMMON, **fresh, **answer.headers, "Content-Type": content_type(answer.media)}
    if answer.links:
        base = _base(request)
        links = [f'<{base}?{query}>; rel="{relation}"' for relation, query in answer.links.items()]
        headers["Link"] = ", ".join(links)
    return Response(answer.body, headers=headers)


def unchanged(fresh: Mapping[str, str]) -> Response:
    """Return the response to a client that has the answer already."""
    return Response(status_code=304, headers={**COMMON, **fresh})


def _base(request: Request) -> str:
    """Return the URL that was asked for, without its query; only the path where the Host header is no name."""
    url = request.url.replace(query="", fragment="")
    return str(url).rstrip("?") if HOST.fullmatch(request.headers.get("host", "")) else url.path
