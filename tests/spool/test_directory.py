"""The directory of spools: those of dead daemons are adopted, by one only, and none of a living one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from statscache.daemon import open_daemon
from statscache.errors import Unusable
from statscache.spool.directory import adopt_spools, make_spool
from statscache.spool.spool import Spool
from tests.support.spools import LIMIT, fill


def test_a_living_process_keeps_its_spool(spool: Spool, directory: Path) -> None:
    """Neither the process itself nor another adopts a spool whose daemon lives."""
    fill(spool, 3)
    assert list(adopt_spools(directory)) == []
    code = f"from statscache.spool.directory import *; print(list(adopt_spools(Path({str(directory)!r}))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


DAEMON = """
import sys, time
from pathlib import Path
from statscache.spool.record import encode
from statscache.spool.directory import make_spool
spool = make_spool(Path(sys.argv[1]), ["x"], 1 << 30)
for n in range(1000):
    spool.append(encode({"n": n}))
print(spool.id, flush=True)
time.sleep(60)
"""
ADOPTER = """
import sys
from pathlib import Path
from statscache.spool.directory import adopt_spools
print("ready", flush=True)
sys.stdin.readline()
found = [(spool.id, sum(1 for _ in spool.scan(0, spool.end))) for spool in adopt_spools(Path(sys.argv[1]))]
print(*(f"{name}={count}" for name, count in found), flush=True)
sys.stdin.readline()
"""


def spawn(code: str, directory: Path) -> subprocess.Popen[str]:
    """Start a process that works on the directory of spools."""
    return subprocess.Popen(
        [sys.executable, "-c", code, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )


def test_a_killed_daemons_spools_are_adopted_by_exactly_one_of_two(directory: Path) -> None:
    """Of two that look at the same instant one gets each spool, with all that was accepted in it."""
    daemons = [spawn(DAEMON, directory) for _ in range(3)]
    names = {daemon.stdout.readline().strip() for daemon in daemons}  # type: ignore[union-attr]
    for daemon in daemons:
        daemon.send_signal(signal.SIGKILL)
        daemon.communicate()
    adopters = [spawn(ADOPTER, directory) for _ in range(2)]
    for adopter in adopters:
        adopter.stdout.readline()  # type: ignore[union-attr]
    for adopter in adopters:
        print(file=adopter.stdin, flush=True)
    found = [adopter.stdout.readline().split() for adopter in adopters]  # type: ignore[union-attr]
    for adopter in adopters:
        adopter.communicate("\n")
    assert sorted(found[0] + found[1]) == sorted(f"{name}=1000" for name in names)


def test_a_spool_being_removed_is_adopted_by_nobody(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks while a spool goes away file by file sees none, or one that is locked."""
    seen: list[Any] = []
    unlink = os.unlink

    def look_and_unlink(*args: Any, **kwargs: Any) -> None:
        seen.extend(adopt_spools(directory))
        unlink(*args, **kwargs)
        seen.extend(adopt_spools(directory))

    for _ in range(5):
        spool = make_spool(directory, [], LIMIT)
        fill(spool, 30)
        with monkeypatch.context() as patch:
            patch.setattr(os, "unlink", look_and_unlink)
            spool.remove()
    assert seen == []
    assert list(directory.iterdir()) == []


def test_adopted_spools_come_oldest_first(directory: Path) -> None:
    """What was accepted first is counted first."""
    names = []
    for age in (1, 3, 2):
        spool = make_spool(directory, [], LIMIT)
        os.utime(directory / spool.id / "plugins.json", (1_000_000 - age, 1_000_000 - age))
        names.append((-age, spool.id))
        spool.close()
    adopted = list(adopt_spools(directory))
    assert [spool.id for spool in adopted] == [name for _, name in sorted(names)]
    for spool in adopted:
        spool.close()


def test_a_spool_that_cannot_be_opened_stops_no_other(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One that is broken is named in the log, and those beside it are adopted."""
    bad, good = (make_spool(directory, [], LIMIT) for _ in range(2))
    bad.close()
    good.close()
    (directory / bad.id / "loss").unlink()
    (directory / bad.id / "loss").mkdir()
    [adopted] = adopt_spools(directory)
    assert adopted.id == good.id
    assert bad.id in caplog.text
    adopted.close()


def test_odd_things_in_the_directory_are_left_alone(directory: Path) -> None:
    """Files, half-made spools and directories of others are no spools."""
    make_spool(directory, [], LIMIT).remove()
    (directory / "file").write_text("x")
    (directory / "lost+found").mkdir()
    (directory / f".{uuid.uuid4()}").mkdir()
    assert list(adopt_spools(directory)) == []
    assert len(list(directory.iterdir())) == 3


@pytest.mark.slow
def test_two_databases_never_mix_spools(
    config: dict[str, Any], server: Engine, engine: Engine, tmp_path: Path
) -> None:
    """What was accepted for one database is not adopted by a daemon on another, though both use one directory."""
    from sqlalchemy import text

    name = f"test_{uuid.uuid4().hex}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0"))
    other = {**config, "statscache.sqlalchemy.uri": engine.url.set(database=name).render_as_string(False)}
    try:
        dead = open_daemon(config)
        dead.intake.accept({"topic": "a.b.c.d", "timestamp": 1, "msg": {}, "msg_id": "x"})
        dead.spool.close()
        dead.engine.dispose()
        counts = []
        for settings_ in (other, config):
            daemon = open_daemon(settings_)
            daemon.flusher.flush()
            with daemon.engine.connect() as connection:
                counts.append(connection.scalar(text("SELECT count(*) FROM statscache_ledger")))
            assert daemon.finish(5)
        assert counts == [0, 1]
    finally:
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.mark.parametrize("kind", ["a file", "below a file", "read-only"])
def test_an_unusable_directory_is_named_in_one_line(kind: str, tmp_path: Path) -> None:
    """The line names the setting and the directory, and says what to do."""
    path = tmp_path / "x"
    path.write_text("")
    place = {"a file": path, "below a file": path / "y", "read-only": Path("/proc/statscache")}[kind]
    with pytest.raises(Unusable) as caught:
        make_spool(place, [], LIMIT)
    line = str(caught.value)
    assert "statscache.spool.directory" in line
    assert str(place) in line
    assert "set another directory" in line
    assert "\n" not in line
