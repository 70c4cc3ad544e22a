"""The files that pages need: a style sheet, a script and an icon."""

from __future__ import annotations

import gzip

from starlette.requests import Request
from starlette.responses import Response

from statscache.web.errors import Refusal
from statscache.web.page.answers import takes_gzip
from statscache.web.page.templating import asset, static

MEDIA = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
#: A file's path names its content, so that nobody need ask for it twice.
FOREVER = "public, max-age=31536000, immutable"


async def file(request: Request) -> Response:
    """Give a file that pages need."""
    name = request.path_params["name"]
    if name not in MEDIA:
        raise Refusal(404, "there is no file here but {names}", names=", ".join(MEDIA))
    named = asset(name).rpartition("?v=")[2] == request.query_params.get("v")
    headers = {
        "Content-Type": MEDIA[name],
        "Cache-Control": FOREVER if named else "no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    body = static(name)
    if takes_gzip(request.headers.get("accept-encoding", "")):
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        body = gzip.compress(body, mtime=0)
    return Response(body, headers=headers)
