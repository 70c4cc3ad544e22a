"""Every command line of the documentation is one that its program takes, and those that only read run."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence

import click
import pytest

from statscache.cli import main
from tests.docs.conftest import Filled
from tests.support.examples import ROOT, Command, Example, commands, examples, pages
from tests.support.place import ALL_ON
from tests.support.shell import called, words_of
from tests.support.web import Server

pytestmark = pytest.mark.slow

#: The commands that change nothing and end by themselves, with the exit codes that are no failure.
READING = {
    ("plugins",): {0},
    ("show",): {0},
    ("uri",): {0},
    ("top",): {0},
    ("status",): {0, 1, 2},
    ("config",): {0, 1},
    ("quarantine", "list"): {0},
    ("note", "list"): {0},
    ("backfill", "--dry-run"): {0},
    ("prune", "--dry-run"): {0},
}
#: Where the HTTP API answers unless it is told otherwise.
WEB = "http://127.0.0.1:8080"
CONSOLE = examples("console")
#: The pages whose commands are about a package of their own: tests/docs/test_tutorial.py types those of the tutorial.
OF_A_PACKAGE = [it.path for it in pages() if it.is_package and it.path != "README.md"]
TYPED = [
    pytest.param(example, command, id=f"{example}-{number}")
    for example in CONSOLE
    for number, command in enumerate(commands(example), 1)
    if command.prompt == "$"
]
INTO_PSQL = [example for example in CONSOLE if any(command.prompt != "$" for command in commands(example))]


def parse(command: click.Command, arguments: Sequence[str], parent: click.Context | None = None) -> None:
    """Let a command, or one of its subcommands, parse its arguments. A file need not be there.

    :raises click.UsageError: if it does not take them
    """
    if isinstance(command, click.Group):
        context = click.Context(command, parent=parent)
        _, rest, _ = command.make_parser(context).parse_args(list(arguments))
        if rest:
            _, inner, rest = command.resolve_command(context, rest)
            assert inner is not None
            parse(inner, rest, context)
        return
    try:
        command.make_context(command.name, list(arguments), parent)
    except click.exceptions.Exit:  # --help
        pass
    except click.BadParameter as error:
        if not isinstance(error.param and error.param.type, click.Path):
            raise


@pytest.mark.parametrize(("example", "command"), TYPED)
def test_every_command_line_is_one_that_the_command_takes(example: Example, command: Command) -> None:
    """`statscache` has each command and option that a page shows, and the Makefile each target."""
    for arguments in called(command.text, "statscache"):
        parse(main, arguments)
    for arguments in called(command.text, "make"):
        for target in (word for word in arguments if "=" not in word):
            makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{example}: make knows no {target}"


def fine(example: Example, command: Command) -> set[int]:
    """Return which exit codes are no failure of a line that only reads; none if it does more than that."""
    allowed: set[int] = set()
    for program, *arguments in words_of(command.text):
        reading = next((READING[key] for key in READING if set(key) <= set(arguments)), None)
        if example.page in OF_A_PACKAGE or "--stop" in arguments:
            return set()
        if program == "statscache" and reading is not None:
            allowed |= reading
        elif program == "psql" and all(word.startswith("SELECT") for word in arguments if " " in word):
            allowed |= {0}
        else:
            return set()
    return allowed


@pytest.mark.parametrize(("example", "command"), [param for param in TYPED if fine(*param.values)])
def test_what_only_reads_runs(example: Example, command: Command, filled: Filled) -> None:
    """Commands that look at the tables, and psql, run on the tables of ten weeks of traffic."""
    done = filled.run("bash", "-c", command.text)
    assert done.returncode in fine(example, command), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("example", INTO_PSQL, ids=str)
def test_what_is_typed_into_psql_runs(example: Example, filled: Filled) -> None:
    """psql takes each line without an error."""
    typed = "\n".join(command.text for command in commands(example) if command.prompt != "$")
    done = filled.run("psql", "-v", "ON_ERROR_STOP=1", "--no-psqlrc", input=typed)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="session")
def web(filled: Filled, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The HTTP API on the tables."""
    server = Server(tmp_path_factory.mktemp("web"), filled.url, plugins__enabled=ALL_ON)
    yield server
    server.end()


def asked(line: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the path and the headers of each request to the HTTP API that a line makes by curl."""
    parser = argparse.ArgumentParser("curl", exit_on_error=False)
    parser.add_argument("url")
    parser.add_argument("-H", "--header", action="append", default=[])
    for option in ("-o", "--output", "-D", "--dump-header", "-w", "--write-out", "-m", "--max-time"):
        parser.add_argument(option)
    for flag in ("-s", "-S", "-f", "-i", "-I", "-L", "-v", "-g", "--fail", "--silent", "--compressed", "-G"):
        parser.add_argument(flag, action="store_true")
    for arguments in called(line, "curl"):
        given = parser.parse_args([*arguments])
        if given.url.startswith(WEB):
            yield (
                given.url.removeprefix(WEB),
                dict(re.split(r": *", header, maxsplit=1) for header in given.header),
            )


@pytest.mark.parametrize(
    ("path", "headers"),
    [request for param in TYPED for request in asked(param.values[1].text)],
    ids=lambda value: value if isinstance(value, str) else "-",
)
def test_every_request_of_the_http_api_is_answered(path: str, headers: dict[str, str], web: Server) -> None:
    """What a page asks by curl is understood."""
    reply = web.get(path, **{name.replace("-", "_"): value for name, value in headers.items()})
    assert reply.status in (200, 304), reply.body
