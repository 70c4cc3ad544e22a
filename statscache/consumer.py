"""The consumer that fedmsg-hub runs: its door to the service.

Where a consumer fails to load or to start, the hub logs that and runs on without it: only SystemExit ends the hub. So
this module imports nothing of statscache's before there is something that turns a failure into one.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

log = logging.getLogger(__name__)


@contextmanager
def loading() -> Iterator[None]:
    """End the hub with one line and exit code 1 where something that statscache is made of cannot be imported."""
    try:
        yield
    except Exception as error:
        log.debug("statscache cannot be loaded", exc_info=True)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise SystemExit(
            f"statscache: it cannot be loaded ({what}, in {frame.filename}, line {frame.lineno}): "
            "install it and what it needs anew"
        ) from None


with loading():
    from fedmsg.consumers import FedmsgConsumer
    from moksha.hub.reactor import reactor

    from statscache.bus.noise import Hush

#: From here on, as other consumers make most of the noise when they start.
hush = Hush()


class StatsConsumer(FedmsgConsumer):
    """Hands each message of the bus to the service, on the reactor's thread.

    :raises SystemExit: with one line, if it cannot do its job: only that keeps the hub from running without it
    """

    topic = "*"
    config_key = "statscache.consumer.enabled"

    def __init__(self, hub: Any) -> None:
        if hub.config.get(self.config_key, False) is False:
            self._leave_out(hub)
            return
        hush.keep()
        with loading():
            from statscache.errors import Unusable
        try:
            self._open(hub)
        except Unusable as reason:
            raise SystemExit(f"statscache: {reason}") from None
        except Exception as error:
            if getattr(error, "errno", None) is None:  # what the system refuses needs no traceback
                log.exception("statscache could not start")
            raise SystemExit(f"statscache: could not start, {type(error).__name__}: {error}") from None

    def _leave_out(self, hub: Any) -> None:
        """Do nothing in a hub that runs without statscache, and say so where it may be by mistake."""
        hush.end()
        super().__init__(hub)
        if self.config_key not in hub.config:
            log.warning(
                "%s is not set, so this hub counts nothing: set it to True in fedmsg.d, or to False if that is meant",
                self.config_key,
            )

    def _open(self, hub: Any) -> None:
        with loading():
            import fedmsg.meta  # noqa: F401  so that its processors are loaded now, and the first message need not wait

            from statscache.bus.fedmsg import attach
            from statscache.bus.signatures import check_signatures
            from statscache.service import Service
            from statscache.settings import read_setting

        read_setting(hub.config, self.config_key)
        check_signatures(hub.config)
        super().__init__(hub)
        # On the reactor's thread: it would starve a thread of ours while a flood of messages lasts.
        self.blocking_mode = True
        self._service = Service(hub.config)
        # Before the daemon takes its time to open, as what was received until now is lost.
        bus = attach(hub)
        self._service.open(hub.config, bus)
        reactor.callWhenRunning(self._service.begin)
        reactor.addSystemEventTrigger("after", "shutdown", self._service.finish)

    def debug(self, message: str) -> None:
        """Say nothing of each message, as the hub would twice."""

    def consume(self, message: dict[str, Any]) -> None:
        """Take one message: `topic` and `body`, which is the message as sent."""
        self._service.receive(message["body"])
