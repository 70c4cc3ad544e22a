"""What a service tells systemd."""

from __future__ import annotations

from statscache.health.systemd import SystemdNotifier
from tests.support.hub import wait_for
from tests.support.systemd import Systemd


def test_a_process_that_is_not_live_is_silent_to_the_watchdog(systemd: Systemd) -> None:
    """Its status is told all the same, on one line."""
    live = [False]
    notifier = SystemdNotifier(lambda: live[0], lambda: "not ready:\nso", systemd.environment)
    notifier.tell()
    live[0] = True
    notifier.tell()
    wait_for("both", lambda: len(systemd.heard) == 3)
    assert systemd.heard == ["STATUS=not ready: so", "WATCHDOG=1", "STATUS=not ready: so"]


def test_a_process_that_stops_is_live_until_its_end(systemd: Systemd) -> None:
    """What it has brought to an end is no sign of death then, and its status stays."""
    notifier = SystemdNotifier(lambda: False, lambda: "not ready", systemd.environment)
    notifier.stop()
    notifier.tell()
    wait_for("both", lambda: len(systemd.heard) == 3)
    assert systemd.heard == ["STOPPING=1", "STATUS=stopping", "WATCHDOG=1"]


def test_without_systemd_nothing_is_told() -> None:
    """No socket, no error; also where the socket is gone."""
    SystemdNotifier(lambda: True, lambda: "ready", {}).ready()
    SystemdNotifier(lambda: True, lambda: "ready", {"NOTIFY_SOCKET": "/nowhere/at/all"}).ready()
