"""What a real hub logs at a start: nothing harmless, no line that nobody can read, and what was forgotten."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from tests.support.gate import Gate
from tests.support.hub import UNSET, Hub, wait_for
from tests.support.packages import install

StartHub = Callable[..., Hub]
EXAMPLE = Path(__file__).parents[2] / "fedmsg.d/logging.py"
#: So many characters at most are a line that can be read.
LONGEST = 400


def example() -> dict[str, Any]:
    """Return the configuration of logs that we ship."""
    spec = spec_from_file_location("example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    config: dict[str, Any] = module.config
    return config


def test_the_example_configuration_logs_no_noise(start_hub: StartHub) -> None:
    """With all the processors of messages that are installed, each line is one of statscache's."""
    hub = start_hub(example())
    hub.wait_until_running()
    lines = hub.log.splitlines()
    assert all(" INFO statscache." in line for line in lines), hub.log
    assert max(map(len, lines)) < LONGEST
    assert len(lines) < 10


def test_another_configuration_logs_no_tracebacks_of_processors(start_hub: StartHub) -> None:
    """What they can do without is not logged by fedmsg, whatever the handlers are."""
    hub = start_hub()
    hub.wait_until_running()
    assert "Traceback" not in hub.log
    assert "Failed to load" not in hub.log
    assert "crippled" not in hub.log
    assert max(map(len, hub.log.splitlines())) < LONGEST


def test_processors_are_loaded_at_the_start(start_hub: StartHub, tmp_path: Path) -> None:
    """The first message does not wait for them."""
    path = install(tmp_path / "packages", "wiki", "1 / 0", group="fedmsg.meta", wiki="Wiki")
    hub = start_hub(PYTHONPATH=os.pathsep.join([path, os.environ.get("PYTHONPATH", "")]))
    hub.wait_until_running()
    assert "1 processor failed: wiki" in hub.log.split("statscache is running")[0]


@pytest.mark.parametrize("switch", [UNSET, False], ids=["forgotten", "off"])
def test_a_switch_that_was_forgotten_is_logged(switch: object, start_hub: StartHub) -> None:
    """A hub that idles because nobody set statscache.consumer.enabled says so; one that is off on purpose does not."""
    hub = start_hub({"statscache.consumer.enabled": switch})
    wait_for("the hub to run", lambda: "Running the MokshaHub reactor" in hub.log)
    said = "statscache.consumer.enabled is not set, so this hub counts nothing: set it to True in fedmsg.d"
    assert (said in hub.log) is (switch is UNSET)


def test_a_database_that_comes_back_is_logged(start_hub: StartHub, gate: Gate) -> None:
    """On a quiet bus, too, where nothing is written meanwhile."""
    hub = start_hub({"statscache.sqlalchemy.uri": gate.url})
    hub.wait_until_running()
    gate.shut()
    wait_for("the database to be missed", lambda: "the database is away, and looked for" in hub.log)
    gate.open()
    wait_for("its return", lambda: "the database is back, after " in hub.log)
