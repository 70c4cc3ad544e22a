"""What carries a page or a file to a client."""

from __future__ import annotations

import gzip
import hashlib
from importlib.metadata import version as version_of

from starlette.requests import Request
from starlette.responses import Response

POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'; "
    "connect-src 'self'"
)
HEADERS = {
    "Cache-Control": "no-cache",  # a cache must ask whether it is unchanged
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
VERSION = version_of("statscache")
#: What has no more bytes than this is not compressed.
SMALL = 1000


def answer(request: Request, body: bytes, media: str, name: str = "") -> Response:
    """Return the response that carries an answer.

    :param name: what it is called where it is kept as a file; empty for what is shown
    """
    tag = f'W/"{hashlib.sha256(body + VERSION.encode()).hexdigest()[:24]}"'
    headers = {**HEADERS, "ETag": tag, "Vary": "Accept-Language, Accept-Encoding"}
    known = request.headers.get("if-none-match", "")
    if tag.removeprefix("W/") in (part.strip().removeprefix("W/") for part in known.split(",")):
        return Response(status_code=304, headers=headers)
    headers["Content-Type"] = media if media == "application/json" else f"{media}; charset=utf-8"
    if name:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    if len(body) > SMALL and takes_gzip(request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, compresslevel=5, mtime=0)
    return Response(body, headers=headers)


def takes_gzip(header: str) -> bool:
    """Return whether a client takes what is compressed, by its Accept-Encoding."""
    codings = (part.strip().lower().partition(";") for part in header.split(","))
    return any(
        name.strip() == "gzip" and "q=0" not in rest.replace(" ", "").split(";") for name, _, rest in codings
    )
