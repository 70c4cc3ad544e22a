"""Who reads a page: in which language and by which time zone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request

from statscache.query.parameters import Parameter, choice, fields_of, read_fields, zone_of
from statscache.query.view import UTC_ZONE
from statscache.render.language import Language, accepted, language, languages
from statscache.web.page.links import Links, ServerLinks, query_of

TZ = Parameter("tz", "The time zone of the periods, by its IANA name.", {"type": "string"}, zone_of)


def reader_parameters() -> dict[str, Parameter]:
    """Return the parameters that every page has."""
    return {"lang": choice("lang", languages(), "The language of the page."), "tz": TZ}


@dataclass(frozen=True)
class Reader:
    """What a reader has asked for.

    :param fields: the names and values of the query
    :param values: what they mean
    """

    language: Language
    fields: tuple[tuple[str, str], ...]
    values: Mapping[str, Any]
    links: Links

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        zone: ZoneInfo = self.values.get("tz", UTC_ZONE)
        return zone

    def query(self, *without: str, **others: str | None) -> str:
        """Return the query with its `?`, with other values for some parameters.

        :param without: parameters to leave out
        :param others: the value of each, None to leave it out
        """
        gone = {*without, *others}
        kept = [field for field in self.fields if field[0] not in gone]
        return query_of([*kept, *((name, value) for name, value in others.items() if value is not None)])


def reader_of(request: Request, parameters: Mapping[str, Parameter]) -> Reader:
    """Return who sends a request.

    :raises BadQuestion: if a parameter is wrong
    """
    fields = fields_of(request.scope["query_string"])
    values = read_fields(fields, {**reader_parameters(), **parameters})
    code = values.get("lang") or accepted(request.headers.get("accept-language", ""))
    links = ServerLinks(request.scope.get("root_path", ""), fields)
    return Reader(language(code), tuple(fields), values, links)
