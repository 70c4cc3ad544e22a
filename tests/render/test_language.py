"""What the page says, in every language."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.extract import extract_from_dir
from babel.numbers import format_decimal
from hypothesis import given
from hypothesis import strategies as st

import statscache
from statscache.hosting.loader import load
from statscache.query.errors import BadQuestion
from statscache.query.parameters import choice, read_fields
from statscache.query.periods import Step, period_of
from statscache.query.statistics import statistics
from statscache.query.tables import served
from statscache.render.language import accepted, catalog, language, languages
from statscache.settings import read_settings
from tests.support.place import ALL_ON

ROOT = Path(statscache.__file__).parent
#: What says a text, and which of its arguments are texts.
KEYWORDS = {
    "text": None,
    "t": None,
    "many": (1, 2),
    "marked": None,
    "Sentence": None,
    "BadQuestion": None,
    "Expected": None,
    "Refusal": (2,),
}
#: A statement, which SQLAlchemy calls a text, too.
SQL = re.compile(r"^\s*(SELECT|WITH)\b")
#: What is refused of the API alone, whose errors are in English.
API_ONLY = ("api.py", "formats.py", "live/")
METHODS = [("**.py", "python"), ("**.html", "jinja2.ext:babel_extract")]
OPTIONS = {"**.html": {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}}
OTHERS = [code for code in languages() if code != "en"]


def said() -> Iterator[str]:
    """Yield each text that the page says."""
    for room in ("query", "render", "web"):
        for file, _, message, _, _ in extract_from_dir(
            ROOT / room, method_map=METHODS, options_map=OPTIONS, keywords=KEYWORDS
        ):
            its = message[0] if isinstance(message, tuple) else message
            if not (room == "web" and file.startswith(API_ONLY)) and not SQL.search(its):
                yield its


def unextracted() -> Iterator[str]:
    """Yield where a sentence is refused that nothing can find, since it is put together before it is said."""
    for room in ("query", "web"):
        for path in (ROOT / room).rglob("*.py"):
            name = path.relative_to(ROOT / room).as_posix()
            if room == "web" and name.startswith(API_ONLY):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                called = (
                    node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
                )
                if called in ("BadQuestion", "Expected", "Refusal"):
                    message = node.args[called == "Refusal"]  # type: ignore[attr-defined]
                    if isinstance(message, ast.JoinedStr | ast.BinOp):
                        yield f"{room}/{name}:{node.lineno}"  # type: ignore[attr-defined]


def told_by_plugins() -> Iterator[str]:
    """Yield what the bundled plugins are called."""
    config = {"statscache.sqlalchemy.uri": "postgresql://", "statscache.plugins.enabled": ALL_ON}
    tables = served(load(read_settings(config), config))
    for its in statistics(tables).values():
        yield from (its.name, its.summary, its.description)
    for table in tables.values():
        if table.layout is not None:
            yield from (table.plugin.summary, table.plugin.description)


def fields(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("code", OTHERS)
def test_every_text_is_in_the_catalogue(code: str) -> None:
    """And nothing else is; each has the same fields as in English."""
    its = catalog(code)
    wanted = {*said(), *told_by_plugins()}
    known = {message.id[0] if isinstance(message.id, tuple) else message.id for message in its if message.id}
    assert wanted - known == set()
    assert known - wanted == set()
    for message in its:
        if message.id:
            texts = message.string if isinstance(message.string, tuple) else (message.string,)
            assert all(texts), message.id
            first = message.id[-1] if isinstance(message.id, tuple) else message.id
            assert all(fields(text) == fields(first) for text in texts), message.id


def test_what_is_refused_can_be_said_in_every_language() -> None:
    assert list(unextracted()) == []


def test_the_parts_of_a_sentence_are_said_in_the_language_too() -> None:
    with pytest.raises(BadQuestion) as refused:
        read_fields([("scale", "odd{")], {"scale": choice("scale", ("linear", "log"), "")})
    assert str(refused.value) == "scale must be linear or log, not 'odd{'"
    assert language("en").sentence(refused.value.sentence) == str(refused.value)
    assert (
        language("de").sentence(refused.value.sentence)
        == "scale: erwartet wird linear oder log, nicht 'odd{'"
    )


def test_texts_are_extracted_at_all() -> None:
    assert len(set(said())) > 80
    assert "What is counted" in set(said())


def test_numbers_and_dates_are_those_of_the_language() -> None:
    english, german = language("en"), language("de")
    assert (english.number(1234567), german.number(1234567)) == ("1,234,567", "1.234.567")
    assert (english.share(0.1234), german.share(0.005)) == ("12 %", "0,5 %")
    when, zone = datetime(2026, 3, 1, 23, 30, tzinfo=UTC), ZoneInfo("Europe/Berlin")
    assert german.instant(when, zone) == "2. März 2026, 00:30"
    day = period_of(when, Step.DAY, zone)
    assert english.period(day, Step.DAY, zone) == "Mon, Mar 2, 2026"


@pytest.mark.parametrize("code", languages())
@given(st.integers(-(10**20), 10**20))
def test_numbers_are_those_of_babel(code: str, number: int) -> None:
    """A number is written as Babel writes it, whose way takes much longer."""
    assert language(code).number(number) == format_decimal(number, locale=code)


def test_a_text_has_its_plural() -> None:
    german = language("de")
    one, many = "{count} message lost", "{count} messages lost"
    assert [german.many(one, many, count) for count in (1, 2)] == [
        "1 Nachricht verloren",
        "2 Nachrichten verloren",
    ]
    assert language("en").many(one, many, 1000) == "1,000 messages lost"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,en;q=0.5", "de"),
        ("fr, de;q=0.3, en;q=0.9", "en"),
        ("de;q=0", "en"),
        ("xx;q=odd,;;,de;q=nan", "en"),
    ],
)
def test_the_language_is_what_the_client_accepts(header: str, code: str) -> None:
    assert accepted(header) == code
