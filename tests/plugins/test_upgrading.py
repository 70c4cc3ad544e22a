"""What the page on plugins of statscache 0.0.4 says that they must have changed."""

from __future__ import annotations

import sys
from importlib.machinery import FileFinder

import pytest

from statscache.plugins import BasePlugin, CategorizedModel


class Model(CategorizedModel):
    __tablename__ = "test_upgrading"
    __table_args__ = ({"comment": "made by the tests of upgrading"},)


@pytest.mark.parametrize("name", ["to_json", "to_csv", "columns", "collate"])
def test_a_model_serializes_nothing(name: str) -> None:
    """Who calls it gets an AttributeError."""
    with pytest.raises(AttributeError, match=name):
        getattr(Model, name)


def test_the_columns_are_those_of_its_table() -> None:
    """As the page says to ask for them."""
    assert Model.__table__.columns.keys() == ["id", "timestamp", "category", "scalar"]


def test_importers_find_no_modules_any_more() -> None:
    """Python 3.12 has dropped what the front of the original's release engineering calls."""
    assert hasattr(FileFinder, "find_module") == (sys.version_info < (3, 12))


@pytest.mark.parametrize(
    ("name", "ident"),
    [
        ("Number of contribution to pagure.io", "number-of-contribution-to-pagure-io"),
        ("Number of contribution per user to pagure.io", "number-of-contribution-per-user-to-pagure-io"),
        ("Release engineering event logs", "release-engineering-event-logs"),
        ("volume, by category", "volume-by-category"),
        ("my_stat", "my-stat"),
        ("what's new", "what-s-new"),
        ("Größe", "gr-e"),
    ],
)
def test_an_identifier_has_only_letters_digits_and_dashes(name: str, ident: str) -> None:
    """So it needs no quoting in an address."""
    kind = type("Named", (BasePlugin,), {"name": name, "summary": "x", "description": "x"})
    assert kind(None, {}).ident == ident
