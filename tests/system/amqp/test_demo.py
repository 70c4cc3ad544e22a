"""`statscache demo --bus amqp`: a real RabbitMQ and a real `statscache consume` on made-up traffic."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.commands import left_over
from tests.support.demo import Demo, in_shell, statscache
from tests.support.hub import wait_for
from tests.support.rabbitmq import needs_rabbitmq

StartDemo = Callable[..., Demo]


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[StartDemo]:
    """Starts demos on AMQP; takes options, and a program that is run in its process first."""
    started: list[Demo] = []

    def start(*options: str, script: str = "") -> Demo:
        started.append(Demo(tmp_path, "--bus", "amqp", *options, script=script))
        return started[-1]

    yield start
    for demo in started:
        demo.close()


@pytest.fixture(autouse=True)
def _there_is_a_broker() -> None:
    needs_rabbitmq()


def children(demo: Demo, word: str) -> list[psutil.Process]:
    """Return the processes that a demo has started, and whose command line has a word."""
    return [each for each in psutil.Process(demo.process.pid).children() if word in each.cmdline()]


def test_a_demo_on_amqp_counts_all_that_it_sends(start_demo: StartDemo) -> None:
    """Other terminals reach it as they reach the other one, and other machines do not. Ctrl-C, even pressed twice, ends
    it with 0; neither the broker nor its epmd is left, nor anything of what the broker has kept."""
    demo = start_demo()
    demo.wait_until_it_plays()
    status = wait_for(
        "the broker to be named",
        lambda: queue_in(in_shell(demo, ". demo/activate", statscache("status || true"))),
    )
    assert status == "statscache of 127.0.0.1"
    assert addresses(demo) == {"127.0.0.1", "::1"}
    time.sleep(1)
    for _ in range(2):
        os.killpg(demo.process.pid, signal.SIGINT)
        time.sleep(0.3)
    code, sent, counted = demo.end()
    assert (code, counted) == (0, sent)
    assert 10 < sent < 5000
    assert left_over(demo) == []
    assert not (demo.directory / "demo/rabbitmq").exists()


def queue_in(status: str) -> str:
    """Return which queue `statscache status` names, with its broker but for the port."""
    found = re.search(r"^broker +[\d,]+ messages? waits? in (.*):\d+ *$", status, re.MULTILINE)
    return found[1] if found else ""


def addresses(demo: Demo) -> set[str]:
    """Return at which addresses the demo's processes listen, but for PostgreSQL, which does so on no network."""
    found = set()
    for process in psutil.Process(demo.process.pid).children(recursive=True):
        for connection in process.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN:
                found.add(connection.laddr.ip)
    return found


def test_a_demo_on_amqp_that_sends_as_fast_as_it_can_counts_each_message(start_demo: StartDemo) -> None:
    """Though the daemon may have to catch up at the end."""
    demo = start_demo("--seconds", "2", "--rate", "20000")
    code, sent, counted = demo.end(120)
    assert (code, counted) == (0, sent)
    assert sent > 1000
    assert left_over(demo) == []


def test_a_demo_whose_broker_is_killed_says_so(start_demo: StartDemo) -> None:
    """It ends with one line on why, exit code 2, and no process left."""
    demo = start_demo()
    demo.wait_until_it_plays()
    [server] = [
        each for each in psutil.Process(demo.process.pid).children() if "rabbitmq" in str(each.cmdline())
    ]
    os.killpg(server.pid, signal.SIGKILL)
    assert demo.process.wait(60) == 2
    assert re.search(r"^statscache: RabbitMQ has ended.*rabbitmq\.log$", demo.output, re.MULTILINE)
    assert "Traceback" not in demo.output
    assert left_over(demo) == []


def test_a_demo_on_amqp_whose_daemon_is_killed_says_so(start_demo: StartDemo) -> None:
    """As of a hub."""
    demo = start_demo()
    demo.wait_until_it_plays()
    [daemon] = children(demo, "consume")
    daemon.kill()
    assert demo.process.wait(60) == 2
    assert re.search(r"^statscache: statscache consume has ended .*consume\.log$", demo.output, re.MULTILINE)
    assert left_over(demo) == []


def test_a_demo_on_amqp_ends_on_an_interrupt_while_the_broker_starts(start_demo: StartDemo) -> None:
    """And leaves no process."""
    demo = start_demo()
    wait_for("the broker's start", lambda: (demo.directory / "demo/rabbitmq/mnesia").exists(), 60)
    demo.process.send_signal(signal.SIGINT)
    assert demo.end() == (0, 0, 0)
    assert left_over(demo) == []


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "from statscache.demo import rabbitmq; rabbitmq.SERVER = None",
            "there is no rabbitmq-server here, which the demo on AMQP needs: install RabbitMQ, "
            "or leave out the option --bus",
        ),
        ("import sys; sys.modules['pika'] = None", "pika is not installed: install statscache[amqp]"),
        (
            "import sys; sys.modules['service_identity'] = None",
            "service_identity is not installed: install statscache[amqp]",
        ),
    ],
    ids=["no broker", "no pika", "no service-identity"],
)
def test_what_is_missing_is_told_in_one_line(start_demo: StartDemo, script: str, said: str) -> None:
    """Before anything is started."""
    demo = start_demo(script=script)
    assert demo.process.wait(60) == 2
    assert demo.output == f"statscache: {said}\n"
    assert not (demo.directory / "demo").exists()
