"""The command `statscache` itself: its help, its version, and what it refuses."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.commands import NOWHERE, body
from tests.support.databases import new_database
from tests.support.place import STATSCACHE, Place, lines
from tests.support.spaces import HOMELESS, NAMELESS, need

COMMANDS = [
    *(
        "plugins",
        "amqp-topology",
        "consume",
        "replay",
        "backfill",
        "config",
        "verify",
        "show",
        "status",
        "top",
        "upgrade",
        "uri",
        "serve",
        "export",
        "forget",
        "prune",
        "publish",
        "grant",
        "note",
        "quarantine",
        "demo",
    ),
]
GROUPED = [f"quarantine {command}" for command in ("list", "show", "retry", "drop")]
GROUPED += [f"note {command}" for command in ("add", "list", "remove")]


@pytest.mark.slow
def test_help_names_every_command_in_whole_sentences(place: Place) -> None:
    """The commands are listed with a sentence each, none cut short; `statscache` alone is as good as --help."""
    output = place.answer("--help")
    listed = dict(re.findall(r"^  ([\w-]+) {2,}(\S.*)$", output.split("Commands:")[1], re.MULTILINE))
    assert sorted(listed) == sorted(COMMANDS)
    assert not any(summary.endswith("...") for summary in listed.values())
    assert place.answer() == output


@pytest.mark.slow
@pytest.mark.parametrize("command", [*COMMANDS[:-3], *GROUPED, COMMANDS[-1]])
def test_help_of_a_command_says_how_to_use_it(command: str, place: Place) -> None:
    """Each command's help has its usage and every option with what it does, even where fedmsg.d is broken."""
    place.write("fedmsg.d/broken.py", "config = {")
    output = place.answer(*command.split(), "--help")
    assert output.startswith(f"Usage: statscache {command} [OPTIONS]")
    assert all(len(line) <= 80 for line in output.splitlines())
    options = output.split("Options:\n")[1].splitlines()
    assert all(re.match(r"  -.*  \S|  -[\w, -]+ [A-Z ]+$| {10}", line) for line in options), options


def test_the_version_is_told(place: Place) -> None:
    """`statscache --version` prints one line with the version."""
    assert re.fullmatch(r"statscache, version \d\S*\n", place.answer("--version"))


@dataclass(frozen=True)
class Bad:
    """A bad input, and what the line that refuses it must say.

    :param uri: the database; "empty" stands for an empty one
    :param config: a file in fedmsg.d
    """

    arguments: str
    reason: str
    uri: str = ""
    config: bytes = b"config = {'statscache.database.wait': 0.1}"

    def try_it(self, directory: Path, empty: str) -> tuple[int, str, str]:
        """Return the exit code and what is written on standard output and standard error."""
        place = Place(directory, self.uri.replace("empty", empty))
        place.write("fedmsg.d/statscache.py", self.config)
        place.write("empty.jsonl", "")
        place.write("good.jsonl", lines(body(1)))
        return place.run(*self.arguments.split())


SINCE = "--since must be like 2h, 7d or 2024-05-31T12:00, not "
BAD = [
    Bad("shwo", "No such command 'shwo'"),
    Bad("--bogus", "No such option '--bogus'"),
    Bad("replay", "Missing argument 'FILES...'"),
    Bad("replay missing.jsonl", "'missing.jsonl' does not exist"),
    Bad("replay .", "'.' is a directory"),
    Bad("show volume-1m --top 0", "'--top'"),
    Bad("replay good.jsonl --jobs 0", "Invalid value for '--jobs': 0 is not in the range x>=1"),
    Bad("backfill --jobs two", "Invalid value for '--jobs': 'two' is not a valid integer"),
    Bad("backfill --rebuild --since 1d --jobs 2", "--rebuild counts in one process: leave out --jobs"),
    Bad("show volume-1m --since rubbish", f"{SINCE}'rubbish'"),
    Bad("show volume-1m --since 999999d", f"{SINCE}'999999d'"),
    Bad("show volume-1m --since 0001-01-01T00:00+05:00", f"{SINCE}'0001-01-01T00:00+05:00'"),
    Bad("demo --seconds 0", "'--seconds'"),
    Bad("demo --directory good.jsonl", "good.jsonl"),
    Bad(
        "show volume-by-categori-1h", "no plugin 'volume-by-categori-1h': try volume-by-category-1h", "empty"
    ),
    Bad("show volume-1m", 'the database says: relation "data_volume_1m" does not exist', "empty"),
    Bad("show volume-by-topic-1m --by x", "does not count by 'x': its keys are topic", "empty"),
    Bad("show release-engineering-event-logs --by x", "has no counts to sum", "empty"),
    Bad("uri --stop", "the database is not embedded", "empty"),
    Bad("note add x --at rubbish", "--at must be like 2h, 7d or 2024-05-31T12:00, not 'rubbish'"),
    Bad("note add x --link ftp://x", "a note's link must begin with http:// or https://", "empty"),
    Bad("note list", "the database says: relation", "empty"),
    Bad("prune --restore x --dry-run", "--restore cannot be combined with --dry-run"),
    Bad("prune", "statscache.keep must be a mapping", "empty", b"config = {'statscache.keep': {'1s': 30}}"),
    Bad("quarantine drop", "or all of them by --all"),
    Bad("quarantine retry x --all", "or all of them by --all"),
    Bad("quarantine show x", "the database says: relation", "empty"),
    Bad("uri", "statscache.sqlalchemy.uri is not set"),
    Bad("replay good.jsonl", "nobody@127.0.0.1:1/nothing, cannot be reached", NOWHERE),
    Bad("uri", "statscache keeps its tables in PostgreSQL only", "mysql://host/statscache"),
    Bad("show volume-1m", "does not understand an option", "postgresql:///statscache?bogus=1"),
    Bad("uri", "does not start in", "embedded:./good.jsonl"),
    Bad("plugins", "SyntaxError", config=b"config = {"),
    Bad("plugins", "fedmsg.d", config=b"config = {'endpoints': int('x')}"),
    Bad("plugins", "UnicodeDecodeError", config=b"config = {'a': '\xff'}"),
    Bad("plugins", "SystemExit: 3", config=b"raise SystemExit(3)"),
    Bad("plugins", "names the plugin 'x'", config=b"config = {'statscache.plugins.enabled': ['x']}"),
]


@pytest.fixture(scope="module")
def empty(server: Engine) -> Iterator[str]:
    """The URL of a database in which none of these inputs makes anything."""
    with new_database(server) as url:
        yield url


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.arguments)
def test_bad_input_is_refused_in_one_line(bad: Bad, tmp_path: Path, empty: str) -> None:
    """One line on standard error says what is wrong, nothing else is written, and the exit code is 2."""
    code, output, errors = bad.try_it(tmp_path, empty)
    assert (code, output) == (2, ""), errors
    assert re.fullmatch(r"statscache: \S[^\n]*\n", errors), errors
    assert bad.reason in errors
    assert "Traceback" not in errors


@pytest.mark.slow
def test_who_has_no_home_can_look_all_the_same(there: Place) -> None:
    """Only a daemon needs the spool's directory, which is by default in the home of its user."""
    prefix = [*HOMELESS, *NAMELESS]
    need(prefix)
    ended = subprocess.run(
        [*prefix, *STATSCACHE, "status"],
        cwd=there.directory,
        env={**there.environment, "STATSCACHE_SQLALCHEMY_URI": NOWHERE},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (2, "")
    assert re.search(r"^spool +not known", ended.stdout, re.MULTILINE)
