"""The endpoints."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version as version_of
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from statscache.plugins.keys import shortened
from statscache.query.answering import Answered, Asking, read_answer
from statscache.query.notes import COLUMNS, note_tables
from statscache.query.parameters import (
    CALLBACK_PARAMETER,
    FORMAT,
    UNDERSCORE,
    Parameter,
    fields_of,
    read_fields,
)
from statscache.query.present import end_of_present, minute_of
from statscache.query.sections import MOST_WHOLE, Form
from statscache.query.steps import families, present_period
from statscache.query.tables import Served
from statscache.store.bots import BotRow
from statscache.web import caching as answers
from statscache.web import formats, notes
from statscache.web.caching import Answer, Memory
from statscache.web.database import Database, Version
from statscache.web.errors import Refusal
from statscache.web.limits import Allowance
from statscache.web.openapi import describe
from statscache.web.turns import Turns

ONLY_CALLBACK = {parameter.name: parameter for parameter in (CALLBACK_PARAMETER, UNDERSCORE)}
ONLY_FORM = {FORMAT.name: FORMAT, **ONLY_CALLBACK}
TOO_LONG = (
    f"limit is more than the {MOST_WHOLE} rows that one answer in CSV may have, and there are more: ask for less "
    "with start and stop, or for pages with rows_per_page"
)
#: Another version may answer otherwise.
VERSION = version_of("statscache")
#: What a link to another page leaves out of the query.
PLACES = ("page", "cursor", UNDERSCORE.name)


class Api:
    """Answers requests about these tables."""

    def __init__(
        self, tables: Mapping[str, Served], database: Database, turns: Turns, allowance: Allowance
    ) -> None:
        self._tables = tables
        self._notes = note_tables(served.plugin for served in tables.values())
        self._families = families(tables)
        self._database = database
        self._allowance = allowance
        self._memory = Memory()
        self._turns = turns
        self._description = formats.dumps(describe(tables)).encode()

    async def index(self, request: Request) -> Response:
        """List the idents of the plugins."""
        idents = list(self._tables)
        asked = _asked(request, ONLY_FORM, (formats.JSON, formats.CSV))
        if asked.media == formats.CSV:
            return _tagged(request, formats.as_csv(["ident"], ([ident] for ident in idents)), asked.media)
        return _tagged(request, asked.rendered(idents), asked.media)

    async def layout(self, request: Request) -> Response:
        """Give the layout of a plugin that has one."""
        served = self._find(request)
        if served.layout is None:
            raise Refusal(404, f"the plugin {served.ident} has no layout")
        asked = _asked(request, ONLY_CALLBACK, (formats.JSON,))
        return _tagged(request, asked.rendered(served.layout), asked.media)

    async def openapi(self, request: Request) -> Response:
        """Describe the API."""
        read_fields(fields_of(request.scope["query_string"]), {})
        return _tagged(request, self._description, formats.JSON)

    async def notes(self, request: Request) -> Response:
        """Give what was noted."""
        ending = request.path_params.get("ending", "")
        asked = _asked(request, notes.PARAMETERS, (formats.JSON, formats.CSV), ending and _form_of(ending))
        self._allowance.take(request.client.host if request.client else "")
        wanted = partial(notes.read_notes, tables=self._notes, values=asked.values)
        rows = await self._turns.take(lambda: self._database.ask(wanted))
        body = formats.rendered_rows(COLUMNS, rows, asked.media, asked.callback)
        return _tagged(request, body, asked.media)

    async def rows(self, request: Request) -> Response:
        """Give a page of a plugin's rows."""
        served, ending = self._find_rows(request)
        asked = _asked(request, served.parameters, (formats.JSON, formats.CSV), ending)
        now = datetime.now(UTC)
        present = present_period(asked.values, now)
        versions = await self._turns.versions()
        version, bots = versions.get(served.table.fullname), _bots(served, asked, versions)
        end = end_of_present(now)
        state = [
            VERSION,
            version.tag if version else "",
            str(end),
            *([str(present)] if present else []),
            *bots,
        ]
        dated = present is None and not bots and "complete" not in asked.values
        if "complete" in asked.values:
            state += [served.source, (await self._turns.standings()).get(served.table.fullname, "")]
            state += [str(minute_of(now))] if served.latest else []
        tag = _hash(*state, served.ident, asked.media, asked.query())
        fresh = answers.freshness(version, tag, dated)
        if version and answers.is_unchanged(request, tag, version.updated if dated else None):
            return answers.unchanged(fresh)
        answer = self._memory.get(tag) if version else None
        if answer is None:
            self._allowance.take(request.client.host if request.client else "")
            form = Form(asked.media == formats.CSV, end)
            family = self._families.get(served.ident, ())
            asking = Asking(served, family, asked.values, form, now)
            answer = await self._turns.take(lambda: self._answer(asking, asked))
            if version:
                self._memory.put(tag, answer)
        return answers.response(request, answer, fresh)

    def _find_rows(self, request: Request) -> tuple[Served, str]:
        """Return whose rows a path asks for, and in which form by its ending, empty for none."""
        ident, _, ending = request.path_params["ident"].rpartition(".")
        if request.path_params["ident"] in self._tables or ident not in self._tables:
            return self._find(request), ""
        return self._tables[ident], _form_of(ending)

    def _find(self, request: Request) -> Served:
        ident = request.path_params["ident"]
        if ident not in self._tables:
            raise Refusal(404, f"there is no plugin {shortened(ident)} here: /api/ lists the plugins")
        return self._tables[ident]

    def _answer(self, asking: Asking, asked: Asked) -> Answer:
        return self._database.ask(lambda connection: _made(read_answer(connection, asking), asked))


@dataclass(frozen=True)
class Asked:
    """What a request asks, and in which form.

    :param fields: the names and values of its query
    :param values: what they mean
    """

    fields: list[tuple[str, str]]
    values: dict[str, Any]
    media: str

    @property
    def callback(self) -> str | None:
        """The function of JSON-P, if there is one."""
        return self.values.get(CALLBACK_PARAMETER.name)

    def query(self, without: tuple[str, ...] = (UNDERSCORE.name,)) -> str:
        """Return the query without some parameters."""
        return urlencode([field for field in self.fields if field[0] not in without])

    def rendered(self, value: Any) -> bytes:
        """Return a value as JSON or JSON-P."""
        return formats.rendered(value, self.media, self.callback)


def _asked(
    request: Request, parameters: Mapping[str, Parameter], offers: tuple[str, ...], ending: str = ""
) -> Asked:
    """Return what is asked; the path's ending and `format` say in which form, or else the Accept header does."""
    fields = fields_of(request.scope["query_string"])
    values = read_fields(fields, parameters)
    form = values.get(FORMAT.name, ending)
    if ending and form != ending:
        raise Refusal(400, f"the path ends in .{ending} and format is {form}: leave out one of them")
    callback = values.get(CALLBACK_PARAMETER.name)
    if form:
        script = callback is not None and form == "json"
        return Asked(fields, values, formats.SCRIPTS[0] if script else formats.FORMATS[form])
    accept = ",".join(request.headers.getlist("accept"))
    return Asked(fields, values, formats.negotiate(accept, callback, offers))


def _bots(served: Served, asked: Asked, versions: Mapping[str, Version]) -> list[str]:
    """Return what tells the list of bots from an earlier one, if the answer depends on it."""
    together = bool({"group", "top", "step"} & asked.values.keys())
    people = together and any(figure.apart for figure in served.kind.answered(asked.values))
    return [versions[BotRow.__tablename__].tag] if people and BotRow.__tablename__ in versions else []


def _form_of(ending: str) -> str:
    """Return a path's ending, if there is that form."""
    if ending not in formats.FORMATS:
        raise Refusal(404, f"there is no form {shortened(ending)} here: there are .csv and .json")
    return ending


def _made(found: Answered, asked: Asked) -> Answer:
    """Return a page in the form that was asked for.

    :raises Refusal: if it is to be whole and is not
    """
    its, page = found.question, found.page
    if asked.media == formats.CSV and page.next and (its.limit or 0) > len(page.rows) == MOST_WHOLE:
        raise Refusal(400, TOO_LONG)
    body = formats.rendered_rows(found.columns, page.rows, asked.media, asked.callback)
    rest = asked.query(without=PLACES)
    cursors = its.served.cursors
    links = {
        relation: f"{rest}{'&' if rest else ''}cursor={cursors.write(place)}"
        for relation, place in (("next", page.next), ("previous", page.previous))
        if place is not None
    }
    numbers = {"X-Link-Number": page.number, "X-Link-Count": page.count}
    headers = {name: str(number) for name, number in numbers.items() if number is not None}
    return Answer(body, asked.media, headers, links)


def _tagged(request: Request, body: bytes, media: str) -> Response:
    """Return an answer that is new when its content is."""
    tag = _hash(media, body.decode())
    fresh = {"ETag": f'W/"{tag}"'}
    if answers.is_unchanged(request, tag, None):
        return answers.unchanged(fresh)
    return answers.response(request, Answer(body, media, {}, {}), fresh)


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:24]
