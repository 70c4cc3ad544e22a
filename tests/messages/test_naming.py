"""When the processors of fedmsg.meta are loaded: in processes of their own, where nobody has imported it yet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.packages import install

#: A package with a processor that takes its time to load, and notes how often that is done.
SLOW = """
import sys, time
from fedmsg.meta.base import BaseProcessor

time.sleep(0.3)

class Wiki(BaseProcessor):
    __name__ = "wiki"
    __description__ = __link__ = __docs__ = __obj__ = "wiki"
    made = []

    def __init__(self, *arguments, **config):
        super().__init__(*arguments, **config)
        self.made.append(self)

    def usernames(self, msg, **config):
        return {"jane"}
"""
#: As if no other package brought processors.
PRELUDE = """
import sys, threading
from importlib.metadata import entry_points
from statscache.messages import naming
from statscache.messages.message import Message
from statscache.messages.naming import Meta

packages = "fedmsg", "slow", "broken"
naming.entry_points = lambda group: [each for each in entry_points(group=group) if each.dist.name in packages]

def message(category, msg=None, **more):
    topic = f"org.fedoraproject.prod.{category}.thing"
    return Message({"topic": topic, "timestamp": 1, "msg": msg or {}, **more}, meta)

def is_loaded():
    return any(name in sys.modules for name in ("fedmsg.meta", "slow"))

"""


@pytest.fixture
def slow(tmp_path: Path) -> str:
    """A directory in which such a package is installed."""
    return install(tmp_path, "slow", SLOW, group="fedmsg.meta", wiki="Wiki")


def run(script: str, path: str = "") -> None:
    """Run a script in a process with what is installed in a directory, too."""
    known = os.pathsep.join(filter(None, [path, os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + dedent(script)],
        env={**os.environ, "PYTHONPATH": known},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_processors_are_loaded_when_a_message_needs_them(slow: str) -> None:
    """One that its headers name does not, nor does the line in the log."""
    run(
        """
        meta = Meta({})
        assert meta.brief == "3 fedmsg.meta processors, loaded once a message needs them"
        named = message("wiki", headers={"fedora_messaging_user_joe": True, "fedora_messaging_rpm_vim": True})
        assert (named.usernames, named.packages) == ({"joe"}, {"vim"})
        assert not is_loaded()
        assert message("wiki").usernames == {"jane"}
        assert is_loaded()
        assert meta.brief.startswith("3 fedmsg.meta processors; the rules of statscache cover bodhi, ")
        """,
        slow,
    )


def test_messages_that_come_at_once_load_them_once(slow: str) -> None:
    """And all of them get their answer."""
    run(
        """
        meta, found = Meta({}), []
        barrier = threading.Barrier(20)

        def ask():
            barrier.wait()
            found.append(message("wiki").usernames)

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert found == [{"jane"}] * 20
        assert len(sys.modules["slow"].Wiki.made) == 1
        """,
        slow,
    )


def test_without_packages_that_bring_any_only_fedmsg_s_own_are_needed() -> None:
    """These name the sender of a message of theirs; for all others our rules answer, as they would with them."""
    run(
        """
        meta = Meta({})
        line = "2 fedmsg.meta processors (announce, logger); the rules of statscache cover bodhi, buildsys"
        assert str(meta).startswith(line)
        assert message("buildsys.tag", {"owner": "joe", "user": "jane"}).usernames == {"joe", "jane"}
        assert message("wiki", username="joe").usernames == frozenset()
        assert not is_loaded()
        before = str(meta)
        assert message("logger", username="joe").usernames == {"joe"}
        assert is_loaded()
        assert str(meta) == before
        assert message("buildsys.tag", {"owner": "joe", "user": "jane"}).usernames == {"joe", "jane"}
        """
    )


@pytest.mark.parametrize("first", ["fedmsg.meta", "slow"])
def test_plugins_that_ask_fedmsg_meta_get_the_same_answers(slow: str, first: str) -> None:
    """Whenever they import it, or what imports it: the processors are loaded when they ask."""
    run(
        f"""
        meta = Meta({{}})
        import {first}
        import fedmsg.meta
        assert meta._loaded is None
        assert fedmsg.meta.msg2usernames(message("wiki")) == {{"jane"}}
        assert fedmsg.meta.msg2usernames(message("buildsys.tag", {{"owner": "joe"}})) == {{"joe"}}
        assert message("wiki").usernames == {{"jane"}}
        fedmsg.meta.make_processors()
        assert len(fedmsg.meta.processors) == 4
        assert len(sys.modules["slow"].Wiki.made) == 1
        """,
        slow,
    )


def test_where_fedmsg_meta_is_imported_already_they_are_loaded_at_once(slow: str) -> None:
    """As in the hub, whose first message is not to wait."""
    run(
        """
        import fedmsg.meta
        meta = Meta({})
        assert "slow" in sys.modules
        assert meta.brief.startswith("3 fedmsg.meta processors; ")
        assert message("wiki").usernames == {"jane"}
        """,
        slow,
    )


def test_what_is_installed_is_told_with_what_does_not_load(tmp_path: Path) -> None:
    """As `statscache plugins` does, which loads them to know."""
    run(
        """
        meta = Meta({})
        assert "failed: wiki (ZeroDivisionError: division by zero)" in str(meta)
        assert "1 processor failed: wiki" in meta.brief
        """,
        install(tmp_path, "broken", "1 / 0", group="fedmsg.meta", wiki="Wiki"),
    )
