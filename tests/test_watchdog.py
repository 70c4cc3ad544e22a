"""The watchdog: it names the plugin that hangs, and where, and the daemon goes on without it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import Engine, text

from statscache.hosting.watchdog import Watch, Watchdog
from statscache.plugins import Message
from tests.bench import Bad, Bench, Good, Keeper, Other
from tests.hub import Bus, Hub, wait_for

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
    bench.daemon.backlog.failed()
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
    """The limit is for one message or update, not for all of them."""
    bench = make_bench(Good, Keeper)

    def accept() -> None:
        deadline = time.monotonic() + 1.2
        while time.monotonic() < deadline:
            bench.accept("a")

    named = []
    with meanwhile(accept):
        for _ in range(24):
            named.append(dog(bench, 0.6).look())
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


PLUGIN = """
import time
from datetime import timedelta
from statscache.plugins import CountingPlugin, counting_model

class Plugin(CountingPlugin):
    name = summary = description = "hanger"
    interval = timedelta(minutes=1)
    model = counting_model("data_hanger", "messages")
    def process(self, message):
        if message["msg"].get("hang"):
            self.hang_here()
        self.count(message)
    def hang_here(self):
        time.sleep(3600)
"""


@pytest.fixture
def hanger(tmp_path: Path) -> Path:
    """A directory with an installed distribution whose plugin hangs in the message that says so."""
    place = tmp_path / "site"
    info = place / "hanger-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hanger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[statscache.plugin]\nhanger = hanger:Plugin\n")
    (place / "hanger.py").write_text(PLUGIN)
    return place


def message(number: int, **msg: Any) -> dict[str, Any]:
    """Return a message of the bus."""
    topic = "org.fedoraproject.prod.bodhi.update.comment"
    return {"topic": topic, "msg": {"n": number, **msg}, "msg_id": f"x-{number}", "timestamp": 1_700_000_000}


def count(engine: Engine, query: str) -> int:
    """Return a number that a query gives."""
    with engine.connect() as connection:
        return int(connection.scalar(text(query)) or 0)


def test_a_hub_that_was_told_to_end_does_not_restart(
    start_hub: Callable[..., Hub], bus: Bus, hanger: Path, tmp_path: Path
) -> None:
    """If a plugin hangs when a signal comes, the hub ends; what it has accepted waits in its spool."""
    hub = start_hub(
        {"statscache.plugin.hang": 2, "statscache.producer.frequency": 60}, PYTHONPATH=str(hanger)
    )
    hub.wait_until_running()
    bus.send(message(1, hang=True))
    time.sleep(0.5)
    code, seconds = hub.end()
    assert (code, seconds < 6) == (70, True), hub.log
    assert "statscache ends" in hub.log
    assert list((tmp_path / "spool").glob("*/*/*.spool"))


def test_a_hub_with_a_plugin_that_hangs_restarts_without_it(
    start_hub: Callable[..., Hub], bus: Bus, engine: Engine, hanger: Path
) -> None:
    """In the same process, by itself; all other tables are complete, and the plugin's messages in the quarantine."""
    path = os.pathsep.join([str(hanger), os.environ.get("PYTHONPATH", "")])
    hub = start_hub({"statscache.plugin.hang": 2, "statscache.producer.frequency": 0.2}, PYTHONPATH=path)
    hub.wait_until_running()
    bus.send_all(message(number) for number in range(50))
    wait_for("the first to be counted", lambda: count(engine, "SELECT sum(volume) FROM data_hanger") == 50)
    bus.send(message(50, hang=True))
    wait_for("the restart", lambda: hub.log.count("statscache is running") == 2)
    assert hub.process.poll() is None

    def complete() -> bool:
        bus.send_all(message(number) for number in range(51, 101))  # until it listens; each counts once
        time.sleep(0.2)
        return count(engine, "SELECT sum(volume) FROM data_volume_1m") == 101

    wait_for("the rest to be counted", complete)
    for table in ("data_volume_by_topic_1m", "data_volume_by_category_1d"):
        assert count(engine, f"SELECT sum(volume) FROM {table}") == 101
    assert hub.end()[0] == 0, hub.log
    assert "hanger-1m hangs" in hub.log
    assert "in hang_here" in hub.log
    assert hub.log.count("hangs") == 1
    assert count(engine, "SELECT sum(volume) FROM data_hanger") == 50
    waiting = "SELECT count(*) FROM statscache_quarantine WHERE plugin = 'hanger-1m' AND attempts = 0"
    assert count(engine, waiting) == count(engine, "SELECT count(*) FROM statscache_quarantine") == 51
    assert count(engine, "SELECT count(*) FROM statscache_suspension WHERE until > now()") == 1
