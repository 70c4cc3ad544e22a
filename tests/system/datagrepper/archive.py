"""The stand-in within a test's own process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from tests.support.reference import Body
from tests.system.datagrepper.faults import Fault, Faults, Rule
from tests.system.datagrepper.log import Log
from tests.system.datagrepper.rows import Rows
from tests.system.datagrepper.server import Server
from tests.system.datagrepper.stops import Stops, Where

#: Called with a request's number, counted from 1, and its arguments.
Hook = Callable[[int, dict[str, Any]], Any]


def _nothing(number: int, arguments: dict[str, Any]) -> None:
    """Do nothing."""


class Archive:
    """Serves ``GET /raw`` with `start`, `end`, `delta`, `order`, `page` and `rows_per_page`, as datagrepper does.

    :param bodies: the messages; those without a usable timestamp are not in the archive
    :param exact: whether messages are shown as they were sent, with the fraction of a second and nothing filled in
    :param shuffle: a seed: rows of the same timestamp come in another order at each request
    :param on_request: called before a page is answered, on the request's thread
    :param on_answer: called after an answer was written
    :param clock: tells the time in epoch seconds
    """

    def __init__(
        self,
        bodies: Iterable[Body] = (),
        *,
        exact: bool = False,
        shuffle: int | None = None,
        faults: Faults | None = None,
        on_request: Hook = _nothing,
        on_answer: Hook = _nothing,
        port: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.rows = Rows(exact, shuffle, clock)
        self.rows.add(bodies)
        self.faults = faults or Faults()
        self.stops, self.served, self.closed = Stops(), Log(), threading.Event()
        self.on_request, self.on_answer, self.clock = on_request, on_answer, clock
        self.calls: dict[str, Callable[..., Any]] = {
            call.__name__: call
            for call in (
                self.add,
                self.fail,
                self.lift,
                self.log,
                self.stop_at,
                self.wait_for_stop,
                self.release,
            )
        }
        self._server = Server(self, port)
        self.url = f"http://127.0.0.1:{self._server.server_port}/raw"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def add(self, bodies: Iterable[Body], request: int = 0, instant: float = 0.0) -> None:
        """Take in messages that are there only from a request, counted from 1, and from an instant on."""
        self.rows.add(bodies, request, instant)

    def fail(
        self,
        fault: Fault | str,
        page: int | None = None,
        start: float | None = None,
        end: float | None = None,
        around: float | None = None,
        times: int | None = None,
    ) -> int:
        """Let a page fail of the span from `start` to `end`, or of those `around` an instant, or every page, so many
        times or until lifted; returns a number for that."""
        return self.faults.add(Rule(Fault(fault), page, start, end, around, times))

    def lift(self, number: int | None = None) -> None:
        """Let pages fail no more: those of a rule, or all of them."""
        self.faults.lift(number)

    def log(self) -> list[dict[str, Any]]:
        """Return the requests so far, each with its `number`, what was `given`, the `fault`, and whether it is `done`:
        all was written that was to be."""
        return self.served.entries

    def stop_at(self, number: int, where: Where | str = Where.BEFORE) -> None:
        """Hold up the request of that number before its answer, in the middle or after it, until released."""
        self.stops.add(number, Where(where))

    def wait_for_stop(self, timeout: float = 30.0) -> bool:
        """Wait until a request is held up; False if none was for so many seconds."""
        return self.stops.wait(timeout)

    def release(self) -> None:
        """Let go on what is held up, and hold up nothing more."""
        self.stops.release()

    def close(self) -> None:
        """Serve no more."""
        self.closed.set()
        self.release()
        self._server.shutdown()
        self._server.server_close()
