"""docs/plugins/reference.md has all that the authors of plugins import, and each thing says what it is."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from statscache import plugins
from tests.support.examples import page

REFERENCE = "\n".join(it.text for it in page("docs/plugins/reference.md").directives if it.name == "eval-rst")
DIRECTIVE = re.compile(r"^\.\. (?:auto|py:)\w+:: statscache\.plugins\.(\w+)", re.MULTILINE)


def own_members(name: str) -> list[Any]:
    """Return the methods and properties that a class of the interface itself defines for authors."""
    thing = getattr(plugins, name)
    if not inspect.isclass(thing):
        return []
    members = {key: value for key, value in vars(thing).items() if not key.startswith("_")}
    return [value for value in members.values() if inspect.isfunction(value) or isinstance(value, property)]


def test_the_reference_has_every_name_once() -> None:
    """Every name in `statscache.plugins.__all__` has a directive, and no other has."""
    assert sorted(DIRECTIVE.findall(REFERENCE)) == sorted(plugins.__all__)


@pytest.mark.parametrize("name", plugins.__all__)
def test_every_name_has_a_docstring(name: str) -> None:
    """Each class and function says what it is in a docstring of its own, and so does each of its methods."""
    thing = getattr(plugins, name)
    if inspect.isclass(thing) or inspect.isfunction(thing):
        assert thing.__doc__
    for member in own_members(name):
        assert member.__doc__, f"{name}.{member}"


def test_the_longest_key_is_as_long_as_the_reference_says() -> None:
    """A constant has no docstring, so the reference has its value and its meaning."""
    assert f":value: {plugins.LONGEST_KEY}\n" in REFERENCE
