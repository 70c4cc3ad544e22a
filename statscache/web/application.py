"""The application, for any server that speaks ASGI."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from statscache.configuration import fedmsg_config
from statscache.database.engine import check_url, database_url
from statscache.errors import Sentence
from statscache.hosting.loader import load
from statscache.query.errors import BadQuestion
from statscache.query.tables import Served, served
from statscache.render.language import marked
from statscache.settings import Settings, read_settings
from statscache.web.api import Api
from statscache.web.caching import COMMON
from statscache.web.database import Database
from statscache.web.errors import Refusal
from statscache.web.limits import Allowance, Gate
from statscache.web.live import Feed
from statscache.web.notes import paths_of_notes
from statscache.web.page.site import Site
from statscache.web.page.trouble import is_for_people, trouble
from statscache.web.proxies import Proxies
from statscache.web.turns import Turns

log = logging.getLogger(__name__)

SENTENCES = {
    404: marked(
        "there is nothing here: /api/ lists the plugins, and /api/openapi.json describes what can be asked"
    ),
    405: marked("only GET and HEAD are answered here"),
}


def create_app(config: Mapping[str, Any] | None = None) -> Starlette:
    """Make the application.

    :param config: the fedmsg configuration, that of this machine and directory unless told otherwise
    :raises Unusable: if a setting cannot be used
    """
    config = fedmsg_config() if config is None else config
    settings = read_settings(config)
    check_url(settings)
    tables = served(load(settings, config))
    database = Database(settings)
    turns, allowance = Turns(database), Allowance(settings.web_rate)
    api = Api(tables, database, turns, allowance)
    feed = Feed(turns.newest_versions, lambda: database_url(settings))
    site = Site(tables, database, turns, allowance, feed, settings.datagrepper_endpoint)
    routes = [*_api_routes(api, tables), *site.routes()]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await feed.close()
        database.close()

    return _application(routes, lifespan, settings)


def _api_routes(api: Api, tables: Mapping[str, Served]) -> list[Route]:
    return [
        Route("/api", _to_the_index),
        Route("/api/", api.index),
        Route("/api/openapi.json", api.openapi),
        *(Route(path, api.notes) for path in paths_of_notes(tables)),
        Route("/api/{ident}", api.rows),
        Route("/api/{ident}/layout", api.layout),
    ]


def _application(routes: list[Route], lifespan: Any, settings: Settings) -> Starlette:
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(Proxies, trusted=settings.web_proxies, root_path=settings.web_root_path),
            Middleware(Gate),
            Middleware(
                CORSMiddleware, allow_origins=["*"], allow_methods=["GET", "HEAD"], allow_headers=["*"]
            ),
        ],
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )
    # A redirect of the framework's own names the host that the client has named, whoever that is.
    app.router.redirect_slashes = False
    return app


async def _to_the_index(request: Request) -> Response:
    """Lead to the list of plugins, by a relative path: it is right behind every proxy, and names no host."""
    query = request.url.query
    return RedirectResponse(f"api/{'?' if query else ''}{query}")


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    retry = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return _told(request, error.status, error.sentence, retry)


async def _not_answerable(request: Request, error: Exception) -> Response:
    assert isinstance(error, BadQuestion)
    return _told(request, 400, error.sentence, {})


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentence = SENTENCES.get(error.status_code, error.detail)
    return _told(request, error.status_code, Sentence(sentence), error.headers or {})


async def _failed(request: Request, error: Exception) -> Response:
    return _told(request, 500, Sentence(marked("the server failed: its log says why")), {})


def _told(request: Request, status: int, sentence: Sentence, headers: Mapping[str, str]) -> Response:
    """Return what a client is told, as a page if it looks for one."""
    if is_for_people(request):
        return trouble(request, status, sentence, headers)
    return JSONResponse({"error": str(sentence)}, status, {**COMMON, **headers})


#: What answers an error, by its class.
HANDLERS: Mapping[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    Refusal: _refuse,
    BadQuestion: _not_answerable,
    HTTPException: _no_route,
    Exception: _failed,
}
