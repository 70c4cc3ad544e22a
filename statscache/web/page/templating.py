"""Templates, in which every text is escaped."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from statscache.render.svg import shown
from statscache.web.page.reader import Reader


@cache
def environment() -> Environment:
    """Return what renders templates."""
    made = Environment(
        loader=PackageLoader(__package__, "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["shown"] = shown
    return made


def rendered(template: str, reader: Reader, **values: Any) -> bytes:
    """Return a page.

    :param values: what the template names
    """
    language = reader.language
    given = {
        "t": language.text,
        "many": language.many,
        "number": language.number,
        "language": language,
        "reader": reader,
        "links": reader.links,
        "asset": lambda name: reader.links.asset(asset(name)),
    }
    return environment().get_template(template).render(**given, **values).encode()


def drawn(svg: str) -> Markup:
    """Return a drawing of ours as a template takes it: its texts are escaped already."""
    return Markup(svg)


@cache
def asset(name: str) -> str:
    """Return the path of a file that pages need, which differs once the file does."""
    return f"static/{name}?v={hashlib.sha256(static(name)).hexdigest()[:12]}"


@cache
def static(name: str) -> bytes:
    """Return a file that pages need."""
    return (files(__package__) / "static" / name).read_bytes()
