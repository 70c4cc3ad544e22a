"""A spool that cannot be read: for a moment, and nothing is lost; for good, and what is lost is a gap."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from statscache.daemon import Daemon, open_daemon
from statscache.spool.segment import SpoolUnreadable
from tests.support.daemons import accept, counted, die, spools
from tests.support.listening import BEGIN, Listening, assert_honest, complete, seconds_with_messages


@pytest.fixture
def bus(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Listening]:
    """A bus with small segments, that was heard for a while when the flush fails."""
    monkeypatch.setattr("statscache.spool.segments.SEGMENT", 1000)
    bus = Listening(open_daemon(config))
    bus.live(400)
    monkeypatch.setattr(bus.daemon.writer, "write", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bus.live(10)
    monkeypatch.undo()
    monkeypatch.setattr("statscache.spool.segments.SEGMENT", 1000)
    bus.live(190, flush=False)
    yield bus
    bus.daemon.finish(5)


def segments(daemon: Daemon) -> list[Path]:
    """Return the segments, oldest first."""
    return sorted((daemon.spools / daemon.spool.id).glob("*.spool"))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ENOENT])
def test_for_a_moment_it_costs_nothing(
    number: int, bus: Listening, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flush fails, says why, and is tried again; every message counts and every second is covered."""

    opening = os.open

    def fail(path: Any, flags: int, *mode: int) -> int:
        if str(path).endswith(".spool") and not flags & os.O_ACCMODE:
            raise OSError(number, os.strerror(number))
        return opening(path, flags, *mode)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", fail)
        for _ in range(3):
            with pytest.raises(SpoolUnreadable, match=os.strerror(number)):
                bus.daemon.flusher.step()
    bus.live(10)
    assert seconds_with_messages(engine) == set(range(1, 611))
    [(_, stop)] = complete(engine)
    assert stop == 609 - 300


def test_a_plugin_is_not_blamed_for_it(
    config: dict[str, Any], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that is read back for a plugin, and cannot be, goes into no quarantine."""
    daemon = open_daemon(config)
    accept(daemon, 1)
    daemon.flusher.flush()
    accept(daemon, 1, 2)  # known in part, so what was taken at the intake cannot be used

    def fail(*args: Any) -> Any:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", fail)
        for _ in range(3):
            with pytest.raises(SpoolUnreadable):
                daemon.flusher.step()
    daemon.flusher.flush()
    assert counted(engine) == 2
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM statscache_quarantine")) == 0
        assert connection.scalar(text("SELECT count(*) FROM statscache_suspension")) == 0
    assert daemon.finish(5)


@pytest.mark.parametrize("harm", ["flipped byte", "flipped length", "short file", "no file", "no directory"])
def test_damage_is_a_gap(harm: str, bus: Listening, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is lost no second is called complete, its time stands in statscache_gap, and all else counts."""
    victim = next(path for path in segments(bus.daemon) if int(path.stem) > bus.daemon.backlog.position)
    content = bytearray(victim.read_bytes())
    if harm == "flipped byte":
        content[20] ^= 1
        victim.write_bytes(content)
    elif harm == "flipped length":
        content[1] ^= 1
        victim.write_bytes(content)
    elif harm == "short file":
        victim.write_bytes(content[: len(content) // 2])
    elif harm == "no file":
        victim.unlink()
    else:
        shutil.rmtree(bus.daemon.spools)
    monkeypatch.setattr("statscache.spool.reader.GIVE_UP", {errno.ENOENT: 0.0})
    bus.live(400)
    has = seconds_with_messages(engine)
    lost = set(range(1, 1001)) - has
    assert lost
    assert len(lost) == 1 or harm != "flipped byte"
    assert_honest(engine)
    assert complete(engine)[-1][1] == 999 - 300
    assert complete(engine)[-1][0] < 630
    with engine.connect() as connection:
        query = "SELECT extract(epoch FROM min(first)), extract(epoch FROM max(last)) FROM statscache_gap"
        first, last = connection.execute(text(query)).one()
        reasons = set(connection.scalars(text("SELECT reason FROM statscache_gap")))
    assert first - BEGIN <= min(lost) <= max(lost) <= last - BEGIN
    assert reasons == {"the spool was damaged"}


def test_damage_in_a_dead_spool_is_a_gap(config: dict[str, Any], engine: Engine) -> None:
    """What the next daemon finds damaged is said, and is covered by nobody."""
    dead = Listening(open_daemon(config))
    dead.live(50, flush=False)
    [spool] = spools(config)
    die(dead.daemon)
    [segment] = spool.glob("*.spool")
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    daemon = open_daemon(config)
    daemon.flusher.flush()
    lost = set(range(1, 51)) - seconds_with_messages(engine)
    assert len(lost) == 1
    with engine.connect() as connection:
        [(first, last)] = connection.execute(
            text("SELECT extract(epoch FROM first), extract(epoch FROM last) FROM statscache_gap")
        ).all()
    assert first - BEGIN <= min(lost) <= last - BEGIN
    assert daemon.finish(5)
    assert spools(config) == []


def test_what_a_dead_spool_has_lost_at_its_beginning_is_a_gap(
    config: dict[str, Any], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That its first file is gone is said as for any other."""
    monkeypatch.setattr("statscache.spool.segments.SEGMENT", 1000)
    dead = Listening(open_daemon(config))
    dead.live(50, flush=False)
    first = segments(dead.daemon)[0]
    die(dead.daemon)
    first.unlink()
    daemon = open_daemon(config)
    daemon.flusher.flush()
    assert seconds_with_messages(engine)
    lost = set(range(1, 51)) - seconds_with_messages(engine)
    assert lost
    with engine.connect() as connection:
        query = text("SELECT extract(epoch FROM first), extract(epoch FROM last) FROM statscache_gap")
        [(_, last)] = connection.execute(query).all()
    assert max(lost) <= last - BEGIN
    assert daemon.finish(5)


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE])
def test_a_loss_stands_with_its_reason(
    number: int, config: dict[str, Any], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that could not be spooled for another reason than want of room is not said to have had no room."""
    daemon = open_daemon(config)

    def fail(*args: Any) -> Any:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", fail)
        assert not daemon.intake.accept({"topic": "a.b.c.d", "msg": {}, "timestamp": BEGIN})
    daemon.flusher.flush()
    with engine.connect() as connection:
        [reason] = connection.scalars(text("SELECT reason FROM statscache_gap"))
    assert reason == f"the spool cannot be written to ({os.strerror(number)})"
    assert daemon.finish(5)
