"""What a person is told who gets no page."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from statscache.errors import Sentence
from statscache.render.language import accepted, language, languages
from statscache.web.page.answers import HEADERS
from statscache.web.page.links import ServerLinks
from statscache.web.page.reader import Reader
from statscache.web.page.templating import rendered


def is_for_people(request: Request) -> bool:
    """Return whether a request is for a page."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    return not path.startswith("/api") and "text/html" in request.headers.get("accept", "")


def trouble(request: Request, status: int, sentence: Sentence, headers: Mapping[str, str]) -> Response:
    """Return a page that says one sentence."""
    asked = request.query_params.get("lang", "")
    code = asked if asked in languages() else accepted(request.headers.get("accept-language", ""))
    reader = Reader(language(code), (), {}, ServerLinks(request.scope.get("root_path", ""), ()))
    body = rendered("trouble.html", reader, sentence=reader.language.sentence(sentence))
    given = {**HEADERS, "Cache-Control": "no-store", **headers, "Content-Type": "text/html; charset=utf-8"}
    return Response(body, status, given)
