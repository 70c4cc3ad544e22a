"""SIGHUP, which logrotate sends: a real hub and the HTTP API go on, unless their terminal is gone."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.hub import Bus, Hub, ordinary, volume, wait_for
from tests.support.place import Place

StartHub = Callable[..., Hub]


def test_a_hub_opens_its_log_anew_and_goes_on(
    start_hub: StartHub, bus: Bus, engine: Engine, tmp_path: Path
) -> None:
    """While it starts and while it counts; no message is lost, and it ends as it always does."""
    path = tmp_path / "statscache.log"
    handlers = {
        "file": {"class": "logging.FileHandler", "filename": str(path)},
        "console": {"class": "logging.StreamHandler"},
    }
    root = {"level": "INFO", "handlers": ["file", "console"]}
    logs = {"version": 1, "disable_existing_loggers": False, "handlers": handlers, "root": root}
    hub = start_hub({"logging": logs})
    wait_for("the start", lambda: "health endpoints" in hub.log)
    hub.process.send_signal(signal.SIGHUP)
    hub.wait_until_running()
    bus.send_all(map(ordinary, range(50)))
    path.rename(tmp_path / "statscache.log.1")
    hub.process.send_signal(signal.SIGHUP)
    wait_for("the new log", lambda: path.exists() and "opened anew" in path.read_text())
    bus.send_all(map(ordinary, range(50, 100)))
    wait_for("all to be counted", lambda: volume(engine) == 100)
    assert hub.end()[0] == 0
    assert "statscache has stopped" in path.read_text()
    assert hub.log.count("opened anew") == 2


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let hubs be started at a terminal, also where these tests themselves run behind nohup."""
    own, its = pty.openpty()
    monkeypatch.setattr(Hub, "stdin", its)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)
    os.close(own)
    os.close(its)


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("prefix", "ends"), [((), True), (("nohup",), False)], ids=["plain", "nohup"])
def test_a_hub_at_a_terminal_ends_with_it(
    prefix: tuple[str, ...], ends: bool, start_hub: StartHub, bus: Bus, engine: Engine
) -> None:
    """It counts what it has and exits with 0, as after Ctrl-C, unless nohup was to keep it from that."""
    hub = start_hub({"statscache.producer.frequency": 3600}, prefix=prefix)
    hub.wait_until_running()
    bus.send_all(map(ordinary, range(100)))
    time.sleep(0.5)
    hub.process.send_signal(signal.SIGHUP)
    if ends:
        assert hub.wait() == 0
        assert volume(engine) == 100
    else:
        wait_for("the log", lambda: "opened anew" in hub.log)
        assert hub.end()[0] == 0


def test_the_http_api_goes_on(there: Place) -> None:
    """It answers after SIGHUP, and ends with 0 after SIGTERM."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    serve = there.start("serve", "--listen", "127.0.0.1:0", **pipes)
    assert serve.stdout
    url = serve.stdout.readline().strip()
    for _ in range(2):
        serve.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        assert urllib.request.urlopen(url, timeout=5).status == 200
    serve.terminate()
    assert serve.communicate(timeout=10)[1] == ""
    assert serve.returncode == 0
