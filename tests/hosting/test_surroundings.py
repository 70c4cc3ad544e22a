"""What a plugin changes of the whole process is as it was before, soon after."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import gc, logging, logging.config, os, signal, socket, sys, threading, time, warnings
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
log = logging.getLogger("statscache.somewhere")
logging.raiseExceptions = False
from statscache.hosting.surroundings import QUICK, SLOW, SURROUNDINGS, _handlers
before = {name: thing.read() for name, thing in {**QUICK, **SLOW}.items()}, _handlers()
SURROUNDINGS.keep()
CHANGE
for _ in range(3):
    SURROUNDINGS.put_back()
assert ({name: thing.read() for name, thing in {**QUICK, **SLOW}.items()}, _handlers()) == before
log.info("logged")
print("printed", flush=True)
"""


def run(change: str) -> list[str]:
    """Return what a process writes in which something was changed and put back."""
    command = [sys.executable, "-c", SCRIPT.replace("CHANGE", change)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=30, env={**os.environ, "TZ": "UTC"}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("os.chdir('/')", "the working directory"),
        ("os.umask(0)", "the umask"),
        ("sys.setrecursionlimit(200)", "the recursion limit"),
        ("sys.setswitchinterval(9)", "how often threads take turns"),
        ("socket.setdefaulttimeout(0.001)", "the time-out of sockets"),
        ("warnings.simplefilter('error')", "the filters of warnings"),
        ("os.environ['TZ'] = 'Asia/Tokyo'; time.tzset()", "the time zone"),
        ("gc.disable()", "the garbage collector"),
        ("sys.excepthook = threading.excepthook = None", "the hooks for errors"),
        ("logging.disable(logging.CRITICAL)", "what is logged"),
        ("logging.config.dictConfig({'version': 1})", "what is logged"),
        ("logging.root.setLevel(logging.CRITICAL)", "what is logged"),
        ("logging.root.handlers.clear()", "what is logged"),
        ("sys.stdout = sys.stderr = None", "the standard streams"),
        ("sys.stdout.close()", "the standard streams"),
        ("os.close(1)", "the standard streams"),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "the handlers of signals"),
        ("signal.signal(signal.SIGPIPE, signal.SIG_DFL)", "the handlers of signals"),
    ],
)
def test_it_is_put_back_and_named(change: str, what: str) -> None:
    """The log says it once, and goes on where it went."""
    lines = [f"a plugin has changed {what} of the whole process, which is put back", "logged", "printed"]
    assert run(change) == lines


def test_handlers_are_put_back_on_the_main_thread() -> None:
    """Where another thread notices it, the main thread is asked."""
    change = """
asked = []
SURROUNDINGS.keep(asked.append)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
other = threading.Thread(target=SURROUNDINGS.put_back)
other.start(); other.join()
assert len(asked) == 1
asked[0]()
"""
    assert run(change)[1:] == ["logged", "printed"]


def test_a_logger_that_is_new_is_no_change() -> None:
    """A module of ours that is loaded late has one, too."""
    late = "logging.getLogger('statscache.late'); before[0]['what is logged'] = SLOW['what is logged'].read()"
    assert run(late) == ["logged", "printed"]


def test_nothing_is_put_back_that_nobody_has_kept() -> None:
    """A command of ours may change what it wants, once plugins are loaded."""
    assert run("SURROUNDINGS.forget(); signal.signal(signal.SIGUSR1, before[1][signal.SIGUSR1])") == [
        "logged",
        "printed",
    ]
