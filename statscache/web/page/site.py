"""The pages, their pictures and their files."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from statscache.plugins.keys import shortened
from statscache.query.notes import note_tables
from statscache.query.statistics import Statistic, statistics
from statscache.query.tables import Served
from statscache.query.view import figure_parameter, view_of, view_parameters
from statscache.store.bots import BotRow
from statscache.store.notes import NoteRow
from statscache.web.database import Database
from statscache.web.errors import Refusal
from statscache.web.limits import Allowance
from statscache.web.live import Feed, event_stream, tag_of
from statscache.web.page import static
from statscache.web.page.answers import answer
from statscache.web.page.badges import made_badge
from statscache.web.page.board import made_board
from statscache.web.page.detail import Wanted, made_view
from statscache.web.page.links import TABLE_ENDINGS
from statscache.web.page.overview import made_overview, read_overview
from statscache.web.page.reader import Reader, reader_of
from statscache.web.page.remembered import Remembered
from statscache.web.turns import Turns

#: The endings that a view has, and what they are.
FORMS = {
    "": "text/html",
    "csv": "text/csv",
    "json": "application/json",
    "svg": "image/svg+xml",
}
#: The header of a page that has been told of a change.
FOLLOWS = "x-follows"
#: The ending of the stream that says when a view has changed.
LIVE = "live"
#: What is shown at an instant is shown for this long, in seconds, unless a table changes.
TICK = 15


class Site:
    """Answers requests for pages.

    :param archive: the URL of the archive in which people look up messages; empty for none
    """

    def __init__(
        self,
        tables: Mapping[str, Served],
        database: Database,
        turns: Turns,
        allowance: Allowance,
        feed: Feed,
        archive: str = "",
    ) -> None:
        self._database = database
        self._turns = turns
        self._allowance = allowance
        self._feed = feed
        self._archive = archive
        self._remembered = Remembered(turns)
        self._statistics = statistics(tables)
        self._boards = {
            ident: table for ident, table in tables.items() if table.layout is not None and table.latest
        }
        self._notes = note_tables(table.plugin for table in tables.values())

    def routes(self) -> list[Route]:
        """Return what leads to each page."""
        return [
            Route("/", self.overview),
            Route("/overview.{ending}", self.overview),
            Route("/view/{ident}", self.view, name="view"),
            Route("/badge/{ident}", self.badge),
            Route("/board/{ident}", self.board),
            Route("/static/{name}", static.file),
        ]

    async def overview(self, request: Request) -> Response:
        """Show each statistic by its headline, as a page or a file."""
        ending = _table_form(request.path_params.get("ending", ""))
        reader = reader_of(request, {})
        state = await self._state(await self._turns.versions())

        def make() -> bytes:
            now = datetime.now(UTC)
            read = read_overview(reader, self._statistics, self._boards, self._database, now)
            return made_overview(reader, read, ending)

        body = await self._known(request, self._key(f"overview.{ending}", reader), state, make, not ending)
        return answer(request, body, FORMS[ending], "overview.csv" if ending == "csv" else "")

    async def view(self, request: Request) -> Response:
        """Show one statistic, as a page or a file."""
        statistic, ending = self._find(request.path_params["ident"])
        if ending == LIVE:
            return await event_stream(request, self._feed, self._shown(statistic))
        if ending not in FORMS:
            raise _no_form(ending, FORMS)
        reader = reader_of(request, view_parameters(statistic))
        shown = self._shown(statistic)
        known = tag_of(await self._turns.versions(), shown)
        wanted = Wanted(statistic, view_of(statistic, reader.values), ending, self._archive, known)

        def make() -> bytes:
            now = datetime.now(UTC)
            return self._database.ask(
                lambda connection: made_view(reader, wanted, self._notes, connection, now)
            )

        key = self._key(f"{statistic.ident}.{ending}", reader)
        body = await self._known(request, key, (known, await self._state(shown)), make, not ending)
        name = f"{statistic.ident}.{ending}" if ending in ("csv",) else ""
        return answer(request, body, FORMS[ending], name)

    async def badge(self, request: Request) -> Response:
        """Give the headline of a statistic as a small picture."""
        statistic, ending = self._find(request.path_params["ident"])
        if ending != "svg":
            raise Refusal(404, "a badge ends in .svg")
        reader = reader_of(request, {"figure": figure_parameter(statistic)})
        figure = reader.values.get("figure", "")

        def make() -> bytes:
            now = datetime.now(UTC)
            return self._database.ask(
                lambda connection: made_badge(reader, statistic, figure, connection, now)
            )

        state = await self._state(_names(statistic))
        body = await self._known(request, self._key(f"badge {statistic.ident}", reader), state, make, False)
        return answer(request, body, "image/svg+xml")

    async def board(self, request: Request) -> Response:
        """Show the latest states of things by the layout of their plugin, as a page or a file."""
        served, ending = self._find_board(request.path_params["ident"])
        reader = reader_of(request, {})

        def make() -> bytes:
            now = datetime.now(UTC)
            return self._database.ask(lambda connection: made_board(reader, served, connection, now, ending))

        state = await self._state([served.table.fullname])
        key = self._key(f"board {served.ident}.{ending}", reader)
        body = await self._known(request, key, state, make, not ending)
        return answer(request, body, FORMS[ending], f"{served.ident}.csv" if ending == "csv" else "")

    def _find_board(self, name: str) -> tuple[Served, str]:
        """Return whose latest states a path names, and the ending of the path, empty for none."""
        if name in self._boards:
            return self._boards[name], ""
        ident, _, ending = name.rpartition(".")
        if ident not in self._boards:
            raise Refusal(404, "there is no board {name} here: the page at / lists all", name=shortened(name))
        return self._boards[ident], _table_form(ending)

    def _shown(self, statistic: Statistic) -> frozenset[str]:
        """Return the tables of which a view shows something: those of its statistic, and of notes."""
        notes = {NoteRow.__tablename__, *(table.fullname for table in self._notes)}
        return _names(statistic) | notes

    def _find(self, name: str) -> tuple[Statistic, str]:
        """Return the statistic that a path names, and the ending of the path, empty for none."""
        if name in self._statistics:
            return self._statistics[name], ""
        ident, _, ending = name.rpartition(".")
        if ident not in self._statistics:
            raise Refusal(
                404, "there is no statistic {name} here: the page at / lists all", name=shortened(name)
            )
        return self._statistics[ident], ending

    async def _state(self, tables: Iterable[str]) -> Hashable:
        """Return what tells what some tables hold, and how complete they are, from what was before."""
        names = sorted(tables)
        versions, standings = await self._turns.versions(), await self._turns.standings()
        return tag_of(versions, names), tuple(standings.get(name) for name in names)

    def _key(self, name: str, reader: Reader) -> Hashable:
        return name, reader.language.code, reader.links.home(), urlencode(sorted(reader.fields))

    async def _known(
        self, request: Request, key: Hashable, version: Hashable, make: Callable[[], bytes], older: bool
    ) -> bytes:
        """Return an answer that depends on a version of tables, and on the present.

        :param older: whether one may be older, since it says of when it is
        """
        version = version, int(datetime.now(UTC).timestamp()) // TICK
        if not self._remembered.knows(key, version):
            self._allowance.take(request.client.host if request.client else "")
        return await self._remembered.get(key, version, make, FOLLOWS in request.headers, older)


def _names(statistic: Statistic) -> frozenset[str]:
    """Return the tables of a statistic, and that of bots if it tells of people."""
    bots = {BotRow.__tablename__} if any(figure.apart for figure in statistic.figures) else set()
    return frozenset({table.table.fullname for table in statistic.tables} | bots)


def _table_form(ending: str) -> str:
    """Return an ending, if what is a table and no chart has that form."""
    if ending not in TABLE_ENDINGS:
        raise _no_form(ending, TABLE_ENDINGS)
    return ending


def _no_form(ending: str, forms: Iterable[str]) -> Refusal:
    return Refusal(
        404,
        "there is no form {ending} of a view: there are {endings}",
        ending=shortened(ending),
        endings=", ".join(f".{each}" for each in forms if each),
    )
