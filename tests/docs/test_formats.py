"""Every example is in a language that the tests know, and is well-formed."""

from __future__ import annotations

import configparser
import json
import subprocess
import tomllib
from collections.abc import Callable

import pytest
import yaml

from tests.support.examples import Example, examples, pages


def read_json(text: str) -> None:
    """Read one value, or one a line."""
    try:
        json.loads(text)
    except ValueError:
        for line in text.splitlines():
            json.loads(line)


def read_ini(text: str) -> None:
    """Read sections of settings, such as a unit of systemd."""
    configparser.ConfigParser(strict=False, interpolation=None).read_string(text)


def read_shell(text: str) -> None:
    """Let bash read a script, and run nothing of it."""
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


READERS: dict[str, Callable[[str], object]] = {
    "json": read_json,
    "ini": read_ini,
    "toml": tomllib.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
    "bash": read_shell,
    "sh": read_shell,
}
#: What has a test module of its own: test_sql, test_console, and test_python with test_packages.
RUN = {"sql", "console", "python"}
#: What no program reads.
PLAIN = {"text"}


@pytest.mark.parametrize("example", examples(), ids=str)
def test_every_example_is_in_a_language_that_a_test_handles(example: Example) -> None:
    """A block without a language, or in one that no test runs or reads, would go stale unseen."""
    known = RUN | PLAIN | set(READERS)
    assert example.language in known, (
        f"{example} is in the language {example.language!r}, which no test handles: write one of {sorted(known)}, "
        "or add a reader to tests/docs/test_formats.py"
    )


@pytest.mark.parametrize("example", examples(*READERS), ids=str)
def test_every_example_can_be_read(example: Example) -> None:
    """JSON, INI, TOML, YAML and scripts are well-formed."""
    READERS[example.language](example.text)


def test_no_example_hides_in_restructured_text() -> None:
    """Code within an eval-rst block would be run by no test."""
    hidden = [
        page.path
        for page in pages()
        for directive in page.directives
        if directive.name == "eval-rst" and "code" in directive.text
    ]
    assert hidden == []
