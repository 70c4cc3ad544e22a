"""The command `statscache`, as a user runs it: processes, directories, terminals and signals are real."""

from __future__ import annotations

import gzip
import json
import os
import pty
import re
import signal
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
from sqlalchemy import Engine, create_engine, text

from tests.conftest import ALL_ON, new_database, read_lines
from tests.hub import wait_for
from tests.place import Place, lines, rows
from tests.tables import TABLES, assert_as_expected, expected_after

COMMANDS = [
    *(
        "plugins",
        "replay",
        "backfill",
        "verify",
        "show",
        "status",
        "top",
        "uri",
        "serve",
        "grant",
        "quarantine",
        "demo",
    ),
]
QUARANTINE = [f"quarantine {command}" for command in ("list", "show", "retry", "drop")]
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
#: Keys, and how they are shown.
ODD = {
    **{key: key for key in ("[/b]", "[red]", ":smile:", "ü" * 700)},
    "\x1b[31m": "\\x1b[31m",
    "a\nb": "a\\nb",
}
MARK = "STATSCACHE_TEST_MARK"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A working directory without a database."""
    return Place(tmp_path)


def body(number: int, when: float = 1_700_000_000.0, category: str = "bodhi") -> dict[str, Any]:
    """Return an ordinary message."""
    topic = f"org.fedoraproject.prod.{category}.update.comment"
    return {"topic": topic, "msg": {"n": number}, "msg_id": f"2023-{number}", "timestamp": when}


# Help


def test_help_names_every_command_in_whole_sentences(place: Place) -> None:
    """The commands are listed with a sentence each, none cut short; `statscache` alone is as good as --help."""
    output = place.answer("--help")
    listed = dict(re.findall(r"^  (\w+) {2,}(\S.*)$", output.split("Commands:")[1], re.MULTILINE))
    assert sorted(listed) == sorted(COMMANDS)
    assert not any(summary.endswith("...") for summary in listed.values())
    assert place.answer() == output


@pytest.mark.parametrize("command", [*COMMANDS[:-2], *QUARANTINE, COMMANDS[-1]])
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


# plugins


def processors(line: str) -> None:
    """See that a line says which processors of fedmsg.meta are active."""
    assert re.match(r"users and packages: (\d+|no) fedmsg\.meta processors", line)
    if find_spec("fedmsg_meta_fedora_infrastructure"):
        assert re.search(r"processors \(.*\bbodhi\b", line)
        assert "not asked, to stay off the network: packages of taskotron" in line


def test_plugins_lists_each_with_all_that_matters(place: Place) -> None:
    """Without any configuration, ident, table, interval, origin and state stand there, and the processors."""
    table, last = place.answer("plugins").split("\n\n")
    titles, *listed = rows(table)
    assert titles == ["plugin", "ident", "tables", "interval", "from", "on or off"]
    found = {row[1]: row for row in listed}
    assert len(found) == len(listed)
    assert {row[2] for row in listed} == set(TABLES)
    hourly = found["volume-by-category-1h"]
    assert hourly[:4] == ["volume_by_category", "volume-by-category-1h", "data_volume_by_category_1h", "1h"]
    assert re.fullmatch(r"statscache \d\S*", hourly[4])
    assert hourly[5] == "on: by default"
    assert found["volume-by-user-1m"][5] == "off: by default; name it in statscache.plugins.enabled"
    processors(last)


def test_plugins_says_why_one_is_on_or_off(place: Place) -> None:
    """The settings of fedmsg.d decide, and the list says that they do."""
    place.configure(
        {
            "endpoints": {"bus": ["tcp://127.0.0.1:1"]},
            "statscache.plugins.enabled": ["volume_by_user"],
            "statscache.plugins.disabled": ["releng"],
        }
    )
    table, last = place.answer("plugins").split("\n\n")
    listed = {row[0]: row[-1] for row in rows(table)[1:]}
    assert listed["volume_by_user"] == "on: named in statscache.plugins.enabled"
    assert listed["releng"] == "off: named in statscache.plugins.disabled"
    assert listed["volume_by_topic"].startswith("off: by default")
    processors(last)


# replay


class Replayed(Place):
    """A working directory in which a file of real messages was replayed, with every plugin on."""

    def __init__(self, directory: Path, uri: str, shared: Path, name: str) -> None:
        super().__init__(directory, uri)
        self.name = name
        self.lines = read_lines(shared / "data" / f"{name}.jsonl")
        self.expected = expected_after(shared, name)
        self.configure({"statscache.plugins.enabled": ALL_ON})
        self.outcome = self.run("replay", str(shared / "data" / f"{name}.jsonl"))

    def by(self, table: str) -> Counter[str]:
        """Return what a table must hold for each key, over all time."""
        counts: Counter[str] = Counter()
        for (_, key), volume in self.expected[table].items():
            counts[key] += volume
        return counts


@pytest.fixture(scope="module")
def messages(server: Engine, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    """The real messages after `statscache replay`."""
    with new_database(server) as url:
        yield Replayed(tmp_path_factory.mktemp("messages"), url, shared, "messages")


@pytest.fixture(scope="module")
def derived(server: Engine, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    """Messages derived from real ones after `statscache replay`."""
    with new_database(server) as url:
        yield Replayed(tmp_path_factory.mktemp("derived"), url, shared, "derived")


@pytest.mark.parametrize("name", ["messages", "derived"])
def test_real_messages_come_to_the_expected_tables(name: str, request: Any, capsys: Any) -> None:
    """With every plugin on, every cell of every table is what the oracle expects."""
    replayed = request.getfixturevalue(name)
    engine = create_engine(replayed.environment["STATSCACHE_SQLALCHEMY_URI"])
    assert_as_expected(engine, replayed.expected, capsys)
    engine.dispose()


@pytest.mark.parametrize("name", ["messages", "derived"])
def test_the_outcome_of_a_replay_is_told(name: str, request: Any) -> None:
    """It ends with 0 and the figures; messages without a timestamp are named by the number of their line."""
    replayed = request.getfixturevalue(name)
    without = [n for n, line in enumerate(replayed.lines, 1) if "timestamp" not in line["message"]]
    counted = len(replayed.lines) - len(without)
    code, output, errors = replayed.outcome
    assert (code, output) == (
        0,
        f"{counted} messages counted, 0 known already, {len(without)} rejected, 0 bad lines\n",
    )
    assert [int(n) for n in re.findall(r"line (\d+): rejected, ", errors)] == without


def test_show_sums_by_key_and_draws_aligned_bars(messages: Replayed) -> None:
    """--by sums over all time, greatest first; a bar's length is the count's share of the greatest."""
    titles, *output = messages.answer("show", "volume-by-category-1d", "--by", "category").splitlines()
    assert titles.split() == ["category", "volume"]
    parts = [re.fullmatch(r"(\S+) +(\d+)  (█+) *", line) for line in output]
    found = [(part[1], int(part[2])) for part in parts if part]
    expected = messages.by("data_volume_by_category_1d")
    assert [count for _, count in found] == sorted(expected.values(), reverse=True)[:20]
    assert all(expected[category] == count for category, count in found)
    assert len({part.end(2) for part in parts if part}) == 1
    bars = [len(part[3]) for part in parts if part]
    assert bars == [max(1, round(30 * count / found[0][1])) for _, count in found]


@pytest.mark.parametrize("top", [3, 10_000])
def test_show_top_lists_so_many(top: int, messages: Replayed) -> None:
    """--top N gives the N greatest, or all where there are fewer."""
    listed = rows(messages.answer("show", "volume-by-topic-1m", "--by", "topic", "--top", str(top)))[1:]
    expected = messages.by("data_volume_by_topic_1m")
    assert [int(row[1]) for row in listed] == sorted(expected.values(), reverse=True)[:top]
    assert all(expected[row[0]] == int(row[1]) for row in listed)


def test_show_lists_the_last_windows_oldest_first(messages: Replayed) -> None:
    """Without options the last 20 windows stand there by their start in UTC, each with its count."""
    listed = rows(messages.answer("show", "volume-1m"))[1:]
    expected = sorted(messages.expected["data_volume_1m"].items())[-20:]
    assert [(row[0], int(row[1])) for row in listed] == [
        (f"{datetime.fromtimestamp(start, UTC):%Y-%m-%d %H:%M:%S}", volume) for start, volume in expected
    ]


def test_show_since_leaves_out_what_is_earlier(messages: Replayed) -> None:
    """--since with a date, in UTC, includes the window of that start and none before."""
    start = sorted(messages.expected["data_volume_1m"])[-7]
    since = f"{datetime.fromtimestamp(start, UTC):%Y-%m-%dT%H:%M}"
    assert len(rows(messages.answer("show", "volume-1m", "--since", since))) == 1 + 7


def test_show_lists_the_latest_states(messages: Replayed) -> None:
    """A plugin that keeps states instead of counts shows each with its keys and status, newest first."""
    titles, *listed = rows(messages.answer("show", "release-engineering-event-logs", "--top", "1000"))
    expected = messages.expected["data_releng_dashboard"]
    assert titles == ["timestamp", "category", "category_constraint", "status"]
    assert {(row[1], row[2]): row[3] for row in listed} == {
        key: message["status"] for key, (_, message) in expected.items()
    }
    assert [row[0] for row in listed] == sorted((row[0] for row in listed), reverse=True)


def test_bad_lines_are_reported_by_number_and_the_rest_counts(there: Place, engine: Engine) -> None:
    """Lines that hold no message are named on standard error, all others count, and the exit code is 2."""
    first = there.write(
        "one.jsonl", lines(body(1), "{", "", "[]", {"message": body(2), "n": 7}, "null", body(3))
    )
    second = there.write("two.jsonl", lines("x", body(4), {**body(5), "timestamp": "soon"}).rstrip("\n"))
    code, output, errors = there.run("replay", first, second)
    assert (code, output) == (2, "4 messages counted, 0 known already, 1 rejected, 4 bad lines\n")
    named = [re.match(r"statscache: (\w+\.jsonl, line \d+): \S", line) for line in errors.splitlines()]
    assert [match and match[1] for match in named] == [
        *("one.jsonl, line 2", "one.jsonl, line 4", "one.jsonl, line 6"),
        *("two.jsonl, line 1", "two.jsonl, line 3"),
    ]
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT sum(volume) FROM data_volume_1m")) == 4


def test_files_of_any_form_are_replayed(there: Place) -> None:
    """Pages of datagrepper and compressed files count as lines do, and so does standard input."""
    page = json.dumps({"raw_messages": [body(1), body(2)], "total": 2}, indent=1)
    there.write("pages.gz", gzip.compress((page * 2 + lines(body(3))).encode()))
    process = there.start("replay", "pages.gz", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    output, _ = process.communicate(lines(body(4), body(3)), timeout=60)
    assert output == "4 messages counted, 3 known already, 0 rejected, 0 bad lines\n"
    there.write("cut.gz", gzip.compress(lines(body(4)).encode())[:-3])
    code, output, errors = there.run("replay", "cut.gz")
    assert (code, output) == (2, "0 messages counted, 1 known already, 0 rejected, 1 bad lines\n")
    assert errors == "statscache: cut.gz, line 2: its compressed content is cut off here: get the file anew\n"


@pytest.fixture(scope="module")
def odd(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place where messages with odd keys were replayed: one of just now, one of today, the others older."""
    times = {0: time.time(), 1: time.time() - 10_000}
    with new_database(server) as url:
        place = Place(tmp_path_factory.mktemp("odd"), url)
        bodies = (body(n, times.get(n, 1e9), key) for n, key in enumerate(ODD))
        place.answer("replay", place.write("odd.jsonl", lines(*bodies)))
        yield place


@pytest.mark.parametrize(("since", "count"), [("2h", 1), ("2000w", len(ODD))])
def test_show_since_takes_a_span_back_from_now(since: str, count: int, odd: Place) -> None:
    """--since 2h shows what was counted in the last two hours, and a long span shows all."""
    listed = rows(odd.answer("show", "volume-by-category-1s", "--by", "category", "--since", since))
    assert len(listed) == 1 + count


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_show_prints_what_others_wrote_as_it_is(encoding: str, odd: Place) -> None:
    """What looks like markup, an emoji's name or a terminal's escape does nothing, in any encoding."""
    odd.environment["PYTHONIOENCODING"] = encoding
    listed = rows(odd.answer("show", "volume-by-category-1d", "--by", "category"))[1:]
    assert sorted(row[0] for row in listed) == sorted(
        key.encode(encoding, "replace").decode(encoding) for key in ODD.values()
    )


def test_a_terminal_shows_progress_and_rate(there: Place) -> None:
    """On a terminal a bar, the messages so far and their rate are drawn, and bad lines still stand out."""
    there.write("some.jsonl", lines(*map(body, range(500)), "{", *map(body, range(500, 1000))))
    there.environment |= {"TERM": "xterm-256color", "COLUMNS": "120"}
    master, slave = pty.openpty()
    process = there.start("replay", "some.jsonl", stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    shown = read_terminal(master)
    assert process.wait(30) == 2
    assert re.search(r"replay .*━+.* 1000 messages, \d+/s", shown)
    assert "some.jsonl, line 501: not JSON" in shown
    assert "1000 messages counted, 0 known already, 0 rejected, 1 bad lines" in shown


def read_terminal(master: int) -> str:
    """Return all that is written to a terminal, without colours."""
    shown = b""
    try:
        while data := os.read(master, 65536):
            shown += data
    except OSError:  # Linux says so when the other end is closed
        os.close(master)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())


# uri


def left_over(place: Place) -> list[psutil.Process]:
    """Return the processes that were started from the place and are still there."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if any(str(place.directory) in word for word in words) or (
                process.environ().get(MARK) == place.environment.get(MARK, "no mark")
            ):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def ask(url: str, query: str) -> Any:
    """Return what a database answers to a client that knows nothing but the URL."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchone()[0]
    finally:
        connection.close()


def test_uri_is_what_psql_takes(there: Place, database: str) -> None:
    """For a server that runs anyway, one line with its URL, without SQLAlchemy's driver, that connects."""
    printed = there.answer("uri")
    assert re.fullmatch(r"postgresql://\S+\n", printed)
    assert ask(printed.strip(), "SELECT current_database()") in database


def test_stop_makes_no_database(tmp_path: Path) -> None:
    """Where there is no embedded database, `statscache uri --stop` leaves the directory as it is."""
    assert Place(tmp_path, "embedded:./data").answer("uri", "--stop") == ""
    assert list(tmp_path.iterdir()) == []


# demo


class Demo(Place):
    """A demo that runs beside the others."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        super().__init__(directory)
        self.environment[MARK] = uuid.uuid4().hex
        self._output = (directory / "output.txt").open("w+")
        self.process = self.start(
            *("demo", "--directory", str(directory / "demo"), *arguments),
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        """What it has written so far."""
        return (self.directory / "output.txt").read_text(encoding="utf-8")

    @property
    def plays(self) -> bool:
        """Whether it sends messages."""
        return "Ctrl-C ends the demo" in self.output

    def end(self) -> tuple[int, int, int]:
        """Return the exit code, how many messages were sent and how many counted."""
        code = self.process.wait(60)
        figures = re.search(r"^(\d+) messages sent, (\d+) counted\.$", self.output, re.MULTILINE)
        assert figures, self.output
        return code, int(figures[1]), int(figures[2])

    def close(self) -> None:
        """End what should have ended."""
        for process in left_over(self):
            process.kill()
        self.process.wait()
        self._output.close()


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Demo]]:
    """Three demos, one beside the other, of which one faster than it can send."""
    arguments = {"timed": ("--seconds", "2", "--rate", "20000"), "endless": (), "orphaned": ()}
    demos = {name: Demo(tmp_path_factory.mktemp(name), *more) for name, more in arguments.items()}
    yield demos
    for demo in demos.values():
        demo.close()


def test_a_demo_ends_on_interrupts(demos: Mapping[str, Demo]) -> None:
    """Ctrl-C, even pressed twice, ends it with 0; it has counted each message it sent and leaves no process."""
    demo = demos["endless"]
    wait_for("messages to be sent", lambda: demo.plays)
    time.sleep(1)
    for _ in range(2):
        os.killpg(demo.process.pid, signal.SIGINT)
        time.sleep(0.3)
    code, sent, counted = demo.end()
    assert (code, counted) == (0, sent)
    assert 10 < sent < 5000
    assert left_over(demo) == []


def test_a_demo_whose_hub_is_killed_says_so(demos: Mapping[str, Demo]) -> None:
    """It ends with one line on why, exit code 2, and no process left."""
    demo = demos["orphaned"]
    wait_for("messages to be sent", lambda: demo.plays)
    [hub] = [p for p in psutil.Process(demo.process.pid).children() if "--config-filename" in p.cmdline()]
    hub.kill()
    assert demo.process.wait(60) == 2
    assert re.search(r"^statscache: the hub has ended .*hub\.log$", demo.output, re.MULTILINE)
    assert "Traceback" not in demo.output
    assert left_over(demo) == []


def test_a_demo_ends_after_so_many_seconds(demos: Mapping[str, Demo]) -> None:
    """It ends with 0, even where it cannot keep up; it has counted each message, and leaves no process."""
    demo = demos["timed"]
    code, sent, counted = demo.end()
    assert (code, counted) == (0, sent)
    assert sent > 1000
    assert left_over(demo) == []


def test_uri_sees_to_it_that_an_embedded_server_runs_until_stopped(demos: Mapping[str, Demo]) -> None:
    """As a demo says at its end, its tables can be looked at; after --stop no process of the server is left."""
    sent = demos["timed"].end()[1]
    setting = re.search(r"STATSCACHE_SQLALCHEMY_URI=(embedded:\S+) statscache uri", demos["timed"].output)
    assert setting
    place = Place(demos["timed"].directory, setting[1])
    url = place.answer("uri").strip()
    try:
        assert place.answer("uri").strip() == url
        assert ask(url, "SELECT sum(volume) FROM data_volume_by_category_1h") == sent
    finally:
        assert place.answer("uri", "--stop") == ""
    assert left_over(place) == []
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(url)


def test_a_demo_ends_on_an_interrupt_while_it_starts(tmp_path: Path) -> None:
    """An interrupt before the first message leaves no process either."""
    with closing(Demo(tmp_path)) as demo:
        wait_for("the server's start", (tmp_path / "demo/data/postmaster.pid").exists)
        demo.process.send_signal(signal.SIGINT)
        assert demo.end() == (0, 0, 0)
        assert left_over(demo) == []


# quarantine

NUL = {
    "topic": "io.pagure.prod.pagure.issue.new",
    "msg": {"agent": "a\0b", "project": {"name": "\ud800"}},
    "msg_id": "2023-nul",
    "timestamp": 1_700_000_000,
}
BY_USER, BY_PROJECT = "pagure-contributions-by-user-1d", "pagure-contributions-by-project-1d"


def test_the_quarantine_is_listed_shown_retried_and_dropped(there: Place) -> None:
    """A message that two plugins cannot store is kept for both until it is dropped, and counts for all others."""
    there.write("messages.jsonl", lines(NUL, body(1)))
    assert there.answer("replay", "messages.jsonl").startswith("2 messages counted, 0 known already")
    listed = rows(there.answer("quarantine", "list"))
    assert [row[:2] for row in listed[1:]] == [[BY_PROJECT, "2023-nul"], [BY_USER, "2023-nul"]]
    assert len(rows(there.answer("quarantine", "list", "--plugin", BY_USER))) == 2
    shown = there.answer("quarantine", "show", "2023-nul")
    assert json.loads(shown.splitlines()[-1]) == NUL
    assert "lone surrogate" in shown
    assert there.answer("quarantine", "retry", "--all") == "0 of 2 messages count now\n"
    assert there.answer("quarantine", "drop", "--plugin", BY_USER) == "1 messages dropped\n"
    assert there.answer("quarantine", "drop", "2023-nul") == "1 messages dropped\n"
    assert len(rows(there.answer("quarantine", "list"))) == 1
    assert there.answer("replay", "messages.jsonl").startswith("0 messages counted, 2 known already")


# Bad input


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
    Bad("show release-engineering-event-logs --by x", "keeps no counts to sum", "empty"),
    Bad("uri --stop", "the database is not an embedded one", "empty"),
    Bad("quarantine drop", "or else all by --all"),
    Bad("quarantine retry x --all", "or else all by --all"),
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
Outcome = tuple[int, str, str]


@pytest.fixture(scope="module", autouse=True)
def outcomes(
    server: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[Bad, Future[Outcome]]]:
    """What comes of each bad input, tried beside the other tests, which saves time."""
    with new_database(server) as url, ThreadPoolExecutor(2) as pool:
        yield {bad: pool.submit(bad.try_it, tmp_path_factory.mktemp("bad"), url) for bad in BAD}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.arguments)
def test_bad_input_is_refused_in_one_line(bad: Bad, outcomes: Mapping[Bad, Future[Outcome]]) -> None:
    """One line on standard error says what is wrong, nothing else is written, and the exit code is 2."""
    code, output, errors = outcomes[bad].result()
    assert (code, output) == (2, ""), errors
    assert re.fullmatch(r"statscache: \S[^\n]*\n", errors), errors
    assert bad.reason in errors
    assert "Traceback" not in errors


def test_binary_rubbish_is_a_bad_line(there: Place) -> None:
    """A file of binary rubbish is one bad line, reported in one line, and the exit code is 2."""
    there.write("rubbish.bin", bytes(n for n in range(256) if n != 10) * 4)
    code, output, errors = there.run("replay", "rubbish.bin")
    assert (code, output) == (2, "0 messages counted, 0 known already, 0 rejected, 1 bad lines\n")
    assert re.fullmatch(r"statscache: rubbish\.bin, line 1: not JSON [^\n]*\n", errors)
