"""The watchdog: it names the plugin that hangs, and where, and the daemon goes on without it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import text

from statscache.hosting.watchdog import Watch, Watchdog, suspects
from statscache.plugins import BasePlugin, Message
from tests.support.bench import Bad, Bench, Good, Keeper, Other
from tests.support.hub import wait_for

MakeBench = Callable[..., Bench]
LIMIT = 0.1


class Sleeper(Good):
    """Waits in its `process` for a message that says so."""

    name = "sleeper"
    model = Good.model
    hanging: ClassVar[threading.Event] = threading.Event()
    go_on: ClassVar[threading.Event] = threading.Event()

    def process(self, message: Message) -> None:
        if message["msg"]["word"] == "hang":
            self.wait_here()
        super().process(message)

    def wait_here(self, *args: Any) -> None:
        self.hanging.set()
        self.go_on.wait(20)


class StatefulSleeper(Sleeper):
    """The same, called just before its update."""

    name = "stateful sleeper"
    queued = False

    def process(self, message: Message) -> None:
        if message["msg"]["word"] == "hang":
            self.wait_here()


class UpdateSleeper(Good):
    """Waits in its `update`."""

    name = "update sleeper"
    model = Good.model

    def update(self, session: Any) -> None:
        Sleeper.wait_here(self)  # type: ignore[arg-type]


UpdateSleeper.hanging, UpdateSleeper.go_on = Sleeper.hanging, Sleeper.go_on  # type: ignore[attr-defined]


class MakeSleeper(StatefulSleeper):
    """Waits when it is made anew."""

    name = "make sleeper"
    made: ClassVar[int] = 0

    def __init__(self, *args: Any) -> None:
        MakeSleeper.made += 1
        if MakeSleeper.made > 1:
            self.wait_here()
        super().__init__(*args)

    def process(self, message: Message) -> None:
        raise RuntimeError


@pytest.fixture(autouse=True)
def awake() -> Iterator[None]:
    """Nobody waits before a test, nor after it."""
    Sleeper.hanging.clear()
    Sleeper.go_on.clear()
    MakeSleeper.made = 0
    Bad.trouble = staticmethod(lambda session: None)
    yield
    Sleeper.go_on.set()


@contextmanager
def meanwhile(do: Callable[[], object]) -> Iterator[None]:
    """Do something on another thread meanwhile, and wait for its end."""
    thread = threading.Thread(target=do)
    thread.start()
    yield
    Sleeper.go_on.set()
    thread.join(20)
    assert not thread.is_alive()


def dog(bench: Bench, limit: float = LIMIT) -> Watchdog:
    """Return the bench's watchdog, with less patience."""
    bench.daemon.watchdog._limit = limit
    return bench.daemon.watchdog


def assert_named(bench: Bench, plugin: str, caplog: pytest.LogCaptureFixture) -> None:
    """Check that the plugin is named within a second, with where it waits."""
    assert Sleeper.hanging.wait(10)
    wait_for("the plugin to be named", lambda: dog(bench).look() == plugin, 10)
    [record, *_] = [record for record in caplog.records if record.levelname == "CRITICAL"]
    assert f"{plugin} hangs" in record.getMessage()
    assert "in wait_here" in record.getMessage()


def test_a_process_that_hangs_at_the_intake_is_named(
    make_bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    """Of several plugins the log names the one that does not come back, with its stack."""
    bench = make_bench(Other, Sleeper, Keeper)
    with meanwhile(lambda: bench.accept("a", "hang")):
        assert_named(bench, "sleeper", caplog)
    assert dog(bench).look() is None


def test_a_process_that_hangs_when_messages_are_read_back_is_named(
    make_bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    """So is it on the flush's thread, when a flush has failed before."""
    bench = make_bench(Other, Sleeper, Keeper)
    bench.daemon.backlog.failed(bench.daemon.backlog.nothing())
    bench.accept("a", "hang")
    assert not Sleeper.hanging.is_set()
    with meanwhile(bench.flush):
        assert_named(bench, "sleeper", caplog)
    assert bench.volume("test_good") == 2


@pytest.mark.parametrize("kind", [StatefulSleeper, UpdateSleeper, MakeSleeper])
def test_a_plugin_that_hangs_in_the_flush_is_named(
    kind: type[Any], make_bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever it hangs: in a `process` before its update, in the update, or in being made anew."""
    bench = make_bench(Other, kind, Keeper)
    bench.accept("a", "hang")
    with meanwhile(bench.flush):
        assert_named(bench, kind.name, caplog)
    assert dog(bench).look() is None
    assert bench.volume("test_other") == 2


def test_waiting_for_the_database_is_no_hang(make_bench: MakeBench) -> None:
    """A statement that takes long, or waits for a lock, is the database's trouble."""
    bench = make_bench(Other, Bad)
    Bad.trouble = staticmethod(lambda session: session.execute(text("SELECT pg_sleep(0.6)")))
    bench.accept("a")
    named = []
    with meanwhile(bench.flush):
        deadline = time.monotonic() + 0.8
        while time.monotonic() < deadline:
            named.append(dog(bench, 0.3).look())
            time.sleep(0.02)
    assert set(named) == {None}


def test_an_idle_daemon_hangs_in_nothing(make_bench: MakeBench) -> None:
    """Between messages and flushes no plugin is being called, however long it takes."""
    bench = make_bench(*(Good, Keeper))
    bench.accept("a")
    bench.flush()
    time.sleep(2 * LIMIT)
    assert dog(bench).look() is None


def test_many_short_calls_are_no_hang(make_bench: MakeBench) -> None:
    """The limit is for one message or update, not for all of them: it is long enough that a machine which is busy
    with other tests does not reach it in one call."""
    bench = make_bench(Good, Keeper)

    def accept() -> None:
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            bench.accept("a")

    named = []
    with meanwhile(accept):
        for _ in range(70):
            named.append(dog(bench, 2.5).look())
            time.sleep(0.05)
    assert set(named) == {None}


def test_a_plugin_that_hangs_is_suspended_before_the_restart(make_bench: MakeBench) -> None:
    """The table has it, for the daemon that comes after; one that cannot be stored is no reason not to restart."""
    bench = make_bench(Other, Sleeper)
    restarts: list[Any] = []
    watchdog = bench.app.watchdog(
        lambda: restarts.append(bench.execute("SELECT plugin FROM statscache_suspension"))
    )
    watchdog._on_hang("sleeper")
    assert restarts == [[("sleeper",)]]
    bench.daemon.app.suspensions._store = lambda plugin: 1 // 0  # type: ignore[assignment,method-assign,return-value]
    with pytest.raises(ZeroDivisionError):
        watchdog._on_hang("sleeper")
    assert len(restarts) == 2


def test_a_suspended_plugin_is_handed_nothing(make_bench: MakeBench) -> None:
    """The daemon that comes after a hang does not hang in the same message, which waits in the quarantine."""
    dead = make_bench(Other, Sleeper)
    with meanwhile(lambda: dead.accept("a", "hang")):
        assert Sleeper.hanging.wait(10)
        dead.daemon.app.suspensions.suspend("sleeper", "it hung", hung=True)
    dead.die()
    Sleeper.hanging.clear()
    bench = make_bench(Other, Sleeper)
    bench.flush()
    bench.send("live", "hang")
    bench.flush()
    assert not Sleeper.hanging.is_set()
    assert (bench.volume("test_other"), bench.volume("test_good")) == (3, 0)
    assert bench.quarantined("sleeper") == ["1", "2", "live"]
    bench.daemon.app.suspensions.lift("sleeper")
    bench.send("again", "b")
    bench.flush()
    bench.send("and again", "b")
    batch = bench.daemon.backlog.next()
    assert batch is not None
    assert batch.taken["sleeper"].items == [(30, "b")], "messages are handed over as they come again"
    assert bench.volume("test_good") == 1


def test_a_watch_that_was_never_begun_has_no_stack() -> None:
    """Before its first message a thread has nothing to show."""
    assert (Watch().stack(), Watch().busy) == ("", None)


class Quiet(BasePlugin):
    name = summary = description = "quiet"

    def process(self, message: Message) -> None:
        raise NotImplementedError


def test_only_plugins_that_are_in_the_stacks_are_suspected() -> None:
    """A plugin is found by the file and the lines of its methods."""
    plugin = Quiet(None, {})
    line = Quiet.process.__code__.co_firstlineno + 1
    stack = f'Thread 0x1 (most recent call first):\n  File "{__file__}", line {{}} in process\n'
    assert suspects(stack.format(line), {"quiet": plugin}) == ["quiet"]
    assert suspects(stack.format(1), {"quiet": plugin}) == []
    assert suspects(stack.replace(__file__, "elsewhere.py").format(line), {"quiet": plugin}) == []


PROGRAM = """
import sys, time
from pathlib import Path
from statscache.hosting import watchdog
from statscache.hosting.watchdog import Watch, Watchdog

watchdog.FROZEN = 1.0
watch = Watch()
dog = Watchdog([watch], 2.0, lambda plugin: print("hung", flush=True), Path(sys.argv[1]))
dog.start()
watch.begin("plugin")
print("begun", flush=True)
for _ in range(int(sys.argv[2])):
    time.sleep(0.1)
print("done", flush=True)
"""


def run(tmp_path: Path, tenths: int, frozen: float) -> list[str]:
    """Let a plugin take so many tenths of a second, in a process that is frozen meanwhile; return what it says."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "stacks"), str(tenths)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(frozen)
        process.send_signal(signal.SIGCONT)
        return process.stdout.read().split()


@pytest.mark.slow
def test_the_time_in_which_the_process_was_frozen_is_not_the_plugins(tmp_path: Path) -> None:
    """A plugin that takes a second hangs in no process that was frozen for much longer than a plugin may take."""
    assert run(tmp_path, tenths=15, frozen=3.5) == ["done"]


@pytest.mark.slow
def test_a_plugin_that_hangs_after_a_freeze_is_still_found(tmp_path: Path) -> None:
    """From the end of the freeze on its time counts."""
    assert run(tmp_path, tenths=45, frozen=3.5) == ["hung", "done"]
