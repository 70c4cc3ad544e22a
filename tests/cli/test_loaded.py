"""What a process of ours loads: of fedmsg what reads the configuration, of the commands its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from importlib.metadata import entry_points

import pytest
from sqlalchemy import Engine

from statscache.cli.root import COMMANDS
from statscache.messages.naming import BUILT_IN, FEDMSG_META
from tests.support.commands import body, make_busy
from tests.support.databases import new_database
from tests.support.loaded import NOTE, loaded, of_fedmsg, with_configuration
from tests.support.place import ALL_ON, Place, lines

#: Whether a package brings processors here, which those load that name somebody, or tell which there are.
BROUGHT = any(entry.value not in BUILT_IN.values() for entry in entry_points(group=FEDMSG_META))
#: Commands that do so.
NAMING = ("plugins", "quarantine retry --all", "replay more.jsonl")


@pytest.fixture(scope="module")
def counted(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place whose database has counted something, and messages whose users and packages are not counted yet."""
    with new_database(server) as url:
        place = make_busy(Place(tmp_path_factory.mktemp("counted"), url))
        place.configure({"statscache.monitoring.address": "", "statscache.plugins.enabled": ALL_ON})
        place.write("more.jsonl", lines(body(50, category="buildsys"), body(51, category="wiki")))
        yield place


def run_to_its_end(place: Place, *arguments: str) -> None:
    process = place.start(*arguments, script=NOTE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = process.communicate(timeout=60)
    assert process.returncode < 2, output + errors


@pytest.mark.parametrize(
    "command",
    [
        "config",
        "grant pg_monitor",
        "note list",
        "plugins",
        "quarantine list",
        "quarantine retry --all",
        "replay more.jsonl",
        "show volume-1m",
        "status",
        "top volume-by-category-1s --once",
        "uri",
    ],
)
def test_a_command_loads_no_more_than_the_configuration_needs(command: str, counted: Place) -> None:
    """But for one that counts users and packages, where a package brings processors."""
    run_to_its_end(counted, *command.split())
    more = of_fedmsg(counted.directory) - with_configuration()
    assert not more or (BROUGHT and command in NAMING and "fedmsg.meta" in more)


def test_serve_loads_no_more_than_the_configuration_needs(counted: Place) -> None:
    """It names nobody."""
    process = counted.start(
        "serve", "--listen", "127.0.0.1:0", script=NOTE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("http://")
    process.terminate()
    process.communicate(timeout=30)
    assert of_fedmsg(counted.directory) <= with_configuration()


@pytest.mark.parametrize("command", ["config", "uri"])
def test_a_command_loads_no_other(command: str, counted: Place) -> None:
    """So that each starts in its own time."""
    run_to_its_end(counted, command)
    modules = {f"statscache.cli.{name.replace('-', '_')}" for name in COMMANDS}
    assert modules & loaded(counted.directory) == {f"statscache.cli.{command}"}
