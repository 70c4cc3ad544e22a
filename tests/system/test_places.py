"""A real hub in places such as containers: it counts, or it ends with one line and exit code 1."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.gate import Gate
from tests.support.hub import Bus, Hub, assert_ends_with_one_line, ordinary, volume, wait_for
from tests.support.spaces import FEW_DESCRIPTORS, HOMELESS, NAMELESS, need, read_only

StartHub = Callable[..., Hub]


def assert_counts(hub: Hub, bus: Bus, engine: Engine) -> None:
    """See that what is sent is counted, and that the hub then ends as it should."""
    hub.wait_until_running()
    bus.send_all(map(ordinary, range(100)))
    wait_for("all to be counted", lambda: volume(engine) == 100)
    assert hub.end()[0] == 0


@pytest.mark.parametrize(
    ("prefix", "environment"),
    [
        ((*HOMELESS, *NAMELESS), {}),
        (NAMELESS, {"HOME": "/"}),
        (FEW_DESCRIPTORS, {}),
        ((), {"PYTHONOPTIMIZE": "1", "LC_ALL": "C"}),
        ((), {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    ],
    ids=["no user and no home", "home is the root", "64 descriptors", "-O and LC_ALL=C", "ASCII"],
)
def test_a_hub_counts_where_its_settings_name_all_that_it_needs(
    prefix: Sequence[str],
    environment: dict[str, str],
    start_hub: StartHub,
    bus: Bus,
    engine: Engine,
    gate: Gate,
) -> None:
    """A user without a name, no home, few descriptors, no assertions and a locale of ASCII are no obstacle."""
    need(prefix)
    assert_counts(
        start_hub({"statscache.sqlalchemy.uri": gate.url}, prefix=prefix, **environment), bus, engine
    )


def test_a_hub_needs_no_place_to_write_but_the_spool(
    start_hub: StartHub, bus: Bus, engine: Engine, gate: Gate, tmp_path: Path
) -> None:
    """On a root that is read-only it counts, if the spool's directory is not."""
    spool = tmp_path / "spool"
    spool.mkdir()
    prefix = read_only(spool)
    need(prefix)
    settings = {"statscache.sqlalchemy.uri": gate.url, "statscache.spool.directory": str(spool)}
    assert_counts(start_hub(settings, prefix=prefix), bus, engine)


HOME_MISSING = (
    "statscache.spool.directory is ~/.local/state/statscache/spool, but this user has no home directory"
)


@pytest.mark.parametrize(
    ("prefix", "environment", "said"),
    [
        ((*HOMELESS, *NAMELESS), {}, HOME_MISSING),
        ((*read_only(Path("/proc")),), {"HOME": "/no/such/home"}, "no spool can be made in /no/such/home"),
        (("prlimit", "--nofile=20:20"), {}, "Too many open files"),
    ],
    ids=["no home", "nothing can be written", "20 descriptors"],
)
def test_a_hub_without_what_it_needs_ends_with_one_line(
    prefix: Sequence[str],
    environment: dict[str, str],
    said: str,
    tmp_path: Path,
    bus: Bus,
    gate: Gate,
) -> None:
    """It never runs on deaf: the line says what is missing, and the exit code is 1."""
    need(prefix)
    hub = Hub(tmp_path, bus, {"statscache.sqlalchemy.uri": gate.url}, prefix=prefix, **environment)
    try:
        assert_ends_with_one_line(hub, said)
    finally:
        hub.kill()


BROKEN = """
import sys, importlib.abc
class Broken(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            raise {error}
sys.meta_path.insert(0, Broken())
"""


@pytest.mark.parametrize(
    ("module", "error"),
    [
        ("statscache.settings", "RuntimeError('Could not determine home directory.')"),
        ("statscache.errors", "SyntaxError('no code')"),
        ("fedmsg.consumers", "ImportError('libzmq.so: no such\\nfile')"),
        ("prometheus_client", "ModuleNotFoundError('No module named prometheus_client')"),
        ("psycopg2", "OSError('libpq.so')"),
        ("statscache.hosting.loader", "KeyError('HOME')"),
    ],
)
def test_what_cannot_be_imported_ends_the_hub_with_one_line(
    module: str, error: str, start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is that fails while the entry point is loaded, the hub does not run on without statscache."""
    monkeypatch.setattr(Hub, "script", BROKEN.format(module=module, error=error) + Hub.script)
    hub = start_hub()
    assert hub.wait() == 1
    last = hub.log.strip().splitlines()[-1]
    assert last.startswith("statscache: it cannot be loaded (")
    assert error.partition("(")[0] in last
    assert "could not start" not in hub.log


def test_a_hub_that_does_not_want_statscache_is_not_ended_by_it(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails there is of no concern to a hub that runs other consumers alone."""
    broken = BROKEN.format(module="statscache.settings", error="RuntimeError('no home')")
    monkeypatch.setattr(Hub, "script", broken + Hub.script)
    hub = start_hub({"statscache.consumer.enabled": False})
    wait_for("the hub to run", lambda: "Running the MokshaHub reactor" in hub.log)
    time.sleep(0.2)
    assert hub.process.poll() is None
