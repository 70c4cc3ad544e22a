"""Every program of the documentation runs, and every configuration can be read."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, text

from statscache.settings import SETTINGS, read_settings
from tests.docs.conftest import Filled
from tests.support.examples import Example, examples, page

pytestmark = pytest.mark.slow

#: What statscache tells those who listen, as for a program that waits for it.
PAYLOAD = '{"table": "data_volume_1m", "from": "2024-05-31T12:00:00Z", "to": "2024-05-31T12:02:00Z"}'
ALONE = [
    example
    for example in examples("python")
    if not page(example.page).is_package and not (example.file or "").startswith("test_")
]
CONFIGURATIONS = [example for example in examples("python") if "config = {" in example.text]


@contextmanager
def notifying(engine: Engine) -> Iterator[None]:
    """Tell those who listen again and again that a table has changed."""
    over = threading.Event()

    def notify() -> None:
        while not over.wait(0.2):
            with engine.begin() as connection:
                connection.execute(text("SELECT pg_notify('statscache', :payload)"), {"payload": PAYLOAD})

    thread = threading.Thread(target=notify)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("example", ALONE, ids=str)
def test_every_program_runs(example: Example, filled: Filled) -> None:
    """It ends well on the tables of ten weeks of traffic, in an environment in which PGHOST and so on say where."""
    with notifying(filled.engine):
        done = filled.run(sys.executable, "-c", example.text)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("example", CONFIGURATIONS, ids=str)
def test_every_configuration_can_be_read(example: Example) -> None:
    """It is a `config` whose settings of statscache's own are known, and can be used."""
    names: dict[str, dict[str, object]] = {}
    exec(compile(example.text, str(example), "exec"), names)
    config = names["config"]
    assert {key for key in config if key.startswith("statscache.")} <= set(SETTINGS)
    read_settings({"statscache.sqlalchemy.uri": "postgresql:///", **config}, {})
