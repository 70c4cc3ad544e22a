"""`statscache config`: every setting, where it comes from, and what is wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from statscache.bus.signatures import check_signatures
from statscache.cli.listing import Listing
from statscache.cli.terminal import cell, console, json_option, print_json, show_listing, styled
from statscache.configuration import configuration_files, read_file
from statscache.database.engine import check_url, shown_url
from statscache.errors import Unusable
from statscache.hosting.loader import check_names
from statscache.setting.faults import shown, unknown
from statscache.setting.types import EMBEDDED
from statscache.settings import NO_DATABASE, SETTINGS, URI, URI_VARIABLE, read_setting, read_settings

DEFAULT = "default"


@dataclass
class Line:
    """A setting.

    :param value: as the configuration has it, without secrets
    :param source: the file or the variable that sets it
    :param wrong: what is wrong, empty for nothing
    """

    setting: str
    value: str
    source: str
    wrong: str = ""

    def as_json(self) -> dict[str, str]:
        """Return all of it."""
        return {"setting": self.setting, "value": self.value, "from": self.source, "wrong": self.wrong}


@dataclass
class Configuration:
    """What the files have.

    :param sources: which file has set each key
    :param problems: what is wrong, in sentences
    """

    values: dict[Any, Any] = field(default_factory=dict)
    sources: dict[Any, Path] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@click.command()
@click.option("--check", is_flag=True, help="Print only what is wrong.")
@json_option
def config(check: bool, as_json: bool) -> None:
    """List all settings, and say what is wrong.

    Each has its value and where that comes from. It starts nothing and asks no database. No password is printed. The
    exit code is 1 if anything is wrong: a value that cannot be used, a key that is no setting, a file that cannot be
    read, a plugin that is not installed, or what the hub needs and has not got.
    """
    found = _read()
    lines = [_line(found, key) for key in SETTINGS]
    problems = [*found.problems, *(f"{line.wrong} ({line.source})" for line in lines if line.wrong)]
    problems += [f"{sentence} ({found.sources[key]})" for key, sentence in unknown(found.values, SETTINGS)]
    problems += _together(found, {line.setting for line in lines if line.wrong})
    if as_json:
        listed = {} if check else {"settings": [line.as_json() for line in lines]}
        print_json({**listed, "problems": problems})
    else:
        _print([] if check else lines, problems)
    sys.exit(1 if problems else 0)


def _print(lines: list[Line], problems: list[str]) -> None:
    terminal = console()
    if lines:
        rows = [
            [styled(each, _style(line)) for each in (line.setting, line.value, line.source)] for line in lines
        ]
        show_listing(terminal, Listing(("setting", "value", "from"), rows, prose="value"))
        terminal.print()
    for problem in problems:
        terminal.print(cell(problem), style="red")
    if not problems:
        terminal.print("nothing is wrong", style="green")


def _style(line: Line) -> str:
    return "red" if line.wrong else "dim" if line.source == DEFAULT else ""


def _read() -> Configuration:
    found = Configuration()
    for path in configuration_files():
        try:
            config = read_file(path)
        except Unusable as error:
            found.problems.append(str(error))
            continue
        found.values |= config
        found.sources |= dict.fromkeys(config, path)
    return found


def _line(found: Configuration, key: str) -> Line:
    """Return a setting, and what is wrong with it by itself."""
    variable = os.environ.get(URI_VARIABLE) if key == URI else None
    value = found.values.get(key, SETTINGS[key].default) if variable is None or not variable else variable
    source = URI_VARIABLE if variable else str(found.sources.get(key, DEFAULT))
    line = Line(key, _shown_url(value) if key == URI else shown(value), source)
    if key == URI:
        line.wrong = _fault(lambda: check_url(read_settings({URI: found.values.get(URI)})))
    else:
        line.wrong = _fault(lambda: read_setting(found.values, key))
    return line


def _shown_url(value: Any) -> str:
    """Return the database's URL without its password."""
    if value is None:
        return "none"
    if isinstance(value, str) and value.startswith(EMBEDDED):
        return value
    try:
        url = make_url(value)
        return shown_url(url.set(drivername="postgresql+psycopg2"))
    except (ArgumentError, ValueError, TypeError, AttributeError):
        return "(not shown: it is no URL)"


def _together(found: Configuration, wrong: set[str]) -> Iterator[str]:
    """Yield what is wrong with settings that fit by themselves."""
    good = {key: value for key, value in found.values.items() if key not in wrong}
    settings = read_settings({**good, URI: NO_DATABASE}, {})
    checks = [lambda: check_names(settings), lambda: settings.kept_back_for]
    for check in (*checks, *_checks_of_the_hub(good, settings.consumer_enabled)):
        if fault := _fault(check):
            yield fault


def _checks_of_the_hub(config: Mapping[Any, Any], enabled: bool) -> list[Callable[[], object]]:
    """Return what checks that a hub could run; nothing where it is not to run statscache."""
    if not enabled:
        return []
    return [lambda: _check_bus(config), lambda: check_signatures(config)]


def _check_bus(config: Mapping[Any, Any]) -> None:
    if config.get("zmq_enabled") is not True:
        raise Unusable("zmq_enabled is not True: set it in fedmsg.d, or the hub hears nothing")
    if not isinstance(config.get("endpoints"), dict) or not config["endpoints"]:
        raise Unusable("endpoints is not set: name the sockets of the bus in fedmsg.d")


def _fault(check: Callable[[], object]) -> str:
    """Return what a check refuses, empty for nothing."""
    try:
        check()
    except Unusable as error:
        return str(error)
    return ""
