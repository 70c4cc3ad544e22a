"""The parameters of the API: how each is read, and how it is described."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from statscache.errors import Sentence
from statscache.instants import SCHEMA, read_instant
from statscache.plugins.keys import LONGEST_KEY, shortened
from statscache.query.errors import BadQuestion, Expected
from statscache.query.periods import Step, zone_named

MOST_FIELDS, MOST_VALUES = 500, 20
ROWS = 100
PAGES = 100
CALLBACK = r"^[A-Za-z_$][A-Za-z0-9_$]*(\.[A-Za-z_$][A-Za-z0-9_$]*)*$"
LONGEST_CALLBACK = 100


@dataclass(frozen=True)
class Parameter:
    """A parameter of the query.

    :param schema: what one value may be
    :param read: turns a value into what the program uses; raises Expected, or ValueError, with what was expected
    :param many: whether it may be given several times; then its value is a list
    """

    name: str
    about: str
    schema: dict[str, Any]
    read: Callable[[str], Any]
    many: bool = False

    def described(self) -> dict[str, Any]:
        """Return the parameter as OpenAPI describes it."""
        described: dict[str, Any] = {"name": self.name, "in": "query", "description": self.about}
        if self.many:
            array = {"type": "array", "items": self.schema, "maxItems": MOST_VALUES}
            return described | {"schema": array, "style": "form", "explode": True}
        return described | {"schema": self.schema}


def read_fields(fields: Iterable[tuple[str, str]], parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return the values of a query by the names of their parameters.

    :raises BadQuestion: that names the first parameter which is unknown, or wrong, or there too often
    """
    values: dict[str, Any] = {}
    for name, text in fields:
        parameter = parameters.get(name)
        if parameter is None:
            known = Sentence("there are {names}", {"names": ", ".join(sorted(parameters))})
            raise BadQuestion(
                "there is no parameter {name} here: {known}",
                name=shortened(name),
                known=known if parameters else Sentence("there are none"),
            )
        try:
            value = parameter.read(text)
        except ValueError as error:
            what = error.sentence if isinstance(error, Expected) else str(error)
            raise BadQuestion(
                "{name} must be {what}, not {given}", name=name, what=what, given=shortened(text)
            ) from None
        _add(values, parameter, value)
    return values


def _add(values: dict[str, Any], parameter: Parameter, value: Any) -> None:
    name = parameter.name
    if not parameter.many:
        if name in values:
            raise BadQuestion("{name} may be given only once", name=name)
        values[name] = value
        return
    values.setdefault(name, []).append(value)
    if len(values[name]) > MOST_VALUES:
        raise BadQuestion("{name} may be given at most {most} times", name=name, most=MOST_VALUES)


def fields_of(query: bytes) -> list[tuple[str, str]]:
    """Return the names and values in a query as it stands in a URL.

    :raises BadQuestion: if it is not in UTF-8, or has too many
    """
    try:
        return parse_qsl(query.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except UnicodeDecodeError:
        raise BadQuestion(
            "the query must be in UTF-8, with % before the hexadecimal digits of other bytes"
        ) from None
    except ValueError:
        raise BadQuestion("the query may have at most {most} parameters", most=MOST_FIELDS) from None


def _whole(greatest: int, text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,17}", text) or int(text) > greatest:
        raise Expected("a whole number from 1 to {greatest}", greatest=greatest)
    return int(text)


def _page(text: str) -> int:
    try:
        return _whole(PAGES, text)
    except Expected as error:
        what = error.sentence
        raise Expected("{what} (to go further, follow the next link in the Link header)", what=what) from None


def _choice(choices: tuple[str, ...], text: str) -> str:
    if text not in choices:
        raise Expected(_or(choices))
    return text


def _or(choices: Sequence[str]) -> Sentence:
    """Return what says that it must be one of these."""
    said = Sentence("{name}", {"name": choices[0]})
    for other in choices[1:]:
        said = Sentence("{one} or {other}", {"one": said, "other": other})
    return said


def _key(text: str) -> str:
    if "\0" in text or len(text) > LONGEST_KEY:
        raise Expected("a text of at most {most} characters without NUL", most=LONGEST_KEY)
    return text


def _callback(text: str) -> str:
    if len(text) > LONGEST_CALLBACK or not re.fullmatch(CALLBACK, text):
        raise Expected(
            "the name of a function of at most {most} characters, such as done or my.done",
            most=LONGEST_CALLBACK,
        )
    return text


def _short(text: str) -> str:
    if len(text) > 100:
        raise Expected("a text of at most 100 characters")
    return text


def _instant(text: str) -> datetime:
    try:
        return read_instant(text)
    except ValueError:
        raise Expected(
            "seconds since 1970 or ISO 8601, as in 2024-05-31T12:00:00Z (a + is written %2B)"
        ) from None


def zone_of(text: str) -> ZoneInfo:
    """Return the zone that a parameter names.

    :raises ValueError: with what was expected
    """
    try:
        return zone_named(text)
    except BadQuestion:
        raise Expected("the IANA name of a time zone, such as Europe/Berlin") from None


def whole(name: str, greatest: int, about: str) -> Parameter:
    """Return a parameter that is a whole number above 0."""
    schema = {"type": "integer", "minimum": 1, "maximum": greatest}
    return Parameter(name, about, schema, partial(_whole, greatest))


def choice(name: str, choices: Iterable[str], about: str, default: str | None = None) -> Parameter:
    """Return a parameter that is one of a few texts."""
    choices = tuple(choices)
    schema: dict[str, Any] = {"type": "string", "enum": list(choices)}
    if default is not None:
        schema["default"] = default
    return Parameter(name, about, schema, partial(_choice, choices))


def key(name: str, column: str) -> Parameter:
    """Return a parameter that filters by a key column."""
    schema = {"type": "string", "maxLength": LONGEST_KEY, "pattern": r"^[^\u0000]*$"}
    about = f"Only rows with this {column}; may be given several times."
    return Parameter(name, about, schema, _key, many=True)


CALLBACK_PARAMETER = Parameter(
    "callback",
    "JSON-P: the function to call with the answer. The answer is then application/javascript, unless Accept "
    "prefers something else.",
    {"type": "string", "pattern": CALLBACK, "maxLength": LONGEST_CALLBACK},
    _callback,
)
UNDERSCORE = Parameter(
    "_",
    "Has no effect; jQuery adds it to JSON-P so that no cache answers.",
    {"type": "string", "maxLength": 100},
    _short,
)
FORMAT = choice(
    "format",
    ("json", "csv"),
    "The form of the answer, whatever Accept says. An answer in CSV is whole, up to 10000 rows, unless "
    "rows_per_page or page is given.",
)
START = Parameter("start", "Only rows at this instant or later.", SCHEMA, _instant)
STOP = Parameter(
    "stop",
    "Only rows before this instant. Without it, where the newest come first, rows that are dated more than an "
    "hour ahead come last.",
    SCHEMA,
    _instant,
)
LIMIT = whole("limit", 1_000_000_000, "How many rows in all, over all pages; by default all.")
ROWS_PER_PAGE = whole("rows_per_page", ROWS, "How many rows a page may have.")
PAGE = Parameter(
    "page",
    f"Which page. Only the first {PAGES} can be asked for by number, so that none is slow; the Link header "
    "leads to the others.",
    {"type": "integer", "minimum": 1, "maximum": PAGES},
    _page,
)
#: Where the API's description has what a time zone may be, which is long.
ZONE = "TimeZone"
STEP = choice(
    "step",
    [str(step) for step in Step],
    "Sum the volume by this period: all periods that have a part of the time from start to stop, each whole, also "
    "those without a row. Without start they begin with the first row, without stop they end with the present one.",
)
TZ = Parameter(
    "tz",
    "The time zone in which a period of step begins, by its IANA name; UTC by default. It needs step.",
    {"$ref": f"#/components/schemas/{ZONE}"},
    zone_of,
)
COMPLETE = choice(
    "complete",
    ("1",),
    "Say of each row whether no message is missing in it, or since then if it is a latest state, in a column of that "
    "name, when it was last verified, and by which versions of the plugin it was counted.",
)
