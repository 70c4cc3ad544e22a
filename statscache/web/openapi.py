"""The description of the API, made of what reads its requests and writes its answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from statscache.query.columns import ADDED
from statscache.query.figures import Figure
from statscache.query.notes import COLUMNS
from statscache.query.parameters import (
    CALLBACK_PARAMETER,
    COMPLETE,
    FORMAT,
    STEP,
    TZ,
    UNDERSCORE,
    ZONE,
    Parameter,
)
from statscache.query.periods import zone_names
from statscache.query.tables import Served
from statscache.web import notes
from statscache.web.formats import CSV, JSON, SCRIPTS

ABOUT = (
    "The statistics that statscache keeps, read-only. Each plugin has a path of its own under /api/; any other "
    "answers 404. Answers are JSON, CSV or, with a callback, JSON-P, as the parameter format or else the Accept header "
    "says; a path that ends in .csv or .json says it, too. Every error is a "
    'JSON object whose "error" is one sentence. Send an ETag as If-None-Match, or Last-Modified as '
    "If-Modified-Since: if nothing was written since, the answer is 304."
)
ERRORS = {
    "400": "A parameter is wrong or unknown; the sentence names it.",
    "406": "Accept names no available type.",
    "413": "The request has a body.",
    "414": "The URL is too long.",
    "429": "The client asks too often.",
    "503": "The database cannot be reached, is busy, or would take too long.",
}
ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
    "additionalProperties": False,
}
TEXT = {"type": "string"}
NUMBER = {"type": "integer", "minimum": 1}
FRESH = {
    "ETag": {"description": "Changes when the answer may have changed.", "schema": TEXT},
    "Last-Modified": {"description": "When the table was last written.", "schema": TEXT},
}
CONSTANT = {"ETag": FRESH["ETag"]}
PAGING = {
    "Link": {
        "description": 'The pages beside this one: rel="next" and rel="previous", where there are any.',
        "schema": TEXT,
    },
    "X-Link-Number": {"description": "Which page this is, if page is given.", "schema": NUMBER},
    "X-Link-Count": {
        "description": "How many pages there are, if page is given; 100 if there are more.",
        "schema": NUMBER | {"maximum": 100},
    },
}
TIME = "timestamp"
JSON_P = (CALLBACK_PARAMETER, UNDERSCORE)


def describe(tables: Mapping[str, Served]) -> dict[str, Any]:
    """Return the OpenAPI description."""
    idents = {"type": "array", "items": {"type": "string", "enum": list(tables)} if tables else TEXT}
    paths = {
        "/api/": _path("list", "The idents of the plugins", (FORMAT, *JSON_P), idents, CONSTANT, (JSON, CSV))
    }
    for path in notes.paths_of_notes(tables)[:1]:
        what = "Releases, outages and the like, that with the latest start first"
        each = _object({column.name: column.schema for column in COLUMNS})
        found = {"type": "array", "items": each}
        paths[path] = _path(notes.NAME, what, notes.PARAMETERS.values(), found, CONSTANT, (JSON, CSV))
    for ident, served in tables.items():
        rows = {"type": "array", "items": _row(served)}
        title = served.plugin.summary.strip()
        paths[f"/api/{ident}"] = _path(
            ident, title, served.parameters.values(), rows, FRESH | PAGING, (JSON, CSV)
        )
        if served.layout is not None:
            what = f"How a dashboard shows {ident}"
            paths[f"/api/{ident}/layout"] = _path(
                f"{ident}-layout", what, JSON_P, {"type": "object"}, CONSTANT, (JSON,)
            )
    this = {"type": "object", "required": ["openapi", "paths"]}
    paths["/api/openapi.json"] = _path("openapi", "This description", (), this, CONSTANT, (JSON,))
    info = {"title": "statscache", "version": version("statscache"), "description": ABOUT}
    described = {"openapi": "3.1.0", "info": info, "servers": [{"url": "/"}], "paths": paths}
    if any(TZ.name in served.parameters for served in tables.values()):
        described["components"] = {"schemas": {ZONE: {"type": "string", "enum": sorted(zone_names())}}}
    return described


def _row(served: Served) -> dict[str, Any]:
    """Return what a row is; of sums, what a sum is; and each with what tells whether it is complete."""
    rows = [{column.name: column.schema for column in served.columns}]
    if served.figures:
        rows += _sums(served)
    if COMPLETE.name in served.parameters:
        rows += [row | {column.name: column.schema for column in ADDED} for row in rows]
    if len(rows) == 1:
        return _object(rows[0])
    return {"anyOf": [_object(row) for number, row in enumerate(rows) if row not in rows[:number]]}


def _sums(served: Served) -> list[dict[str, Any]]:
    """Return what sums are, by a column, and by period and a column."""
    asked = ({}, *({"figure": figure.name} for figure in served.kind.others))
    return [row for values in asked for row in _sums_of(served, served.kind.answered(values))]


def _sums_of(served: Served, answered: Iterable[Figure]) -> list[dict[str, Any]]:
    figures = {figure.name: figure.column(None).schema for figure in answered}
    others = {name: served.column(name).schema for name in served.parameters["group"].schema["enum"]}
    rows = [{name: schema, **figures} for name, schema in others.items()]
    if STEP.name in served.parameters:
        time = {TIME: others[TIME]}
        # A period that is not kept any more has none.
        maybe = {figure.name: replace(figure.column(None), nullable=True).schema for figure in answered}
        rows += [{**time, name: schema, **maybe} for name, schema in others.items() if name != TIME]
        rows.append(time | maybe)
    return rows


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _path(
    name: str,
    summary: str,
    parameters: Iterable[Parameter],
    schema: dict[str, Any],
    headers: Mapping[str, Any],
    media: Iterable[str],
) -> dict[str, Any]:
    described = [parameter.described() for parameter in parameters]
    types = [*media, *(SCRIPTS if described else ())]
    content = {type_: {"schema": schema if type_ == JSON else TEXT} for type_ in types}
    errors = {
        status: {"description": about, "content": {JSON: {"schema": ERROR}}}
        for status, about in ERRORS.items()
    }
    responses = {
        "200": {"description": summary, "headers": headers, "content": content},
        "304": {"description": "The answer has not changed."},
        **errors,
    }
    return {"get": {"operationId": name, "summary": summary, "parameters": described, "responses": responses}}
