"""What the libraries below log at every start, and what of it is harmless here."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping

#: How lines begin that do not matter to statscache, by the logger.
HARMLESS: Mapping[str, tuple[str, ...]] = {
    "moksha.hub": (
        "Cannot find qpid python module",  # which is for buses of another kind
        "No 'zmq_publish_endpoints' set",  # nothing is published
    ),
    # statscache finds the processors of messages itself, and logs which there are.
    "fedmsg.meta": ("No fedmsg.meta plugins found",),
}
#: How fedmsg.meta begins to log that a processor does not load. A record with the exception follows.
ANNOUNCEMENT = "Failed to load "
#: The exception if all that is missing is a package that the processor works without, as statscache loads it.
DISPENSABLE = "DistributionNotFound"


class KnownNoise(logging.Filter):
    """Stops what is known to be harmless, for a handler or a library's logger. All else passes.

    As soon as there is one, Python's own warnings that are as harmless are not shown either.
    """

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self._announcement = ""
        #: What was stopped.
        self.stopped: list[logging.LogRecord] = []
        warnings.filterwarnings("ignore", "pkg_resources is deprecated as an API", UserWarning)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is to be logged."""
        if self._is_noise(record):
            self.stopped.append(record)
            return False
        return True

    def _is_noise(self, record: logging.LogRecord) -> bool:
        text = str(record.msg)
        if text.startswith(HARMLESS.get(record.name, ())):
            return True
        return record.name == "fedmsg.meta" and self._is_of_a_processor(record, text)

    def _is_of_a_processor(self, record: logging.LogRecord, text: str) -> bool:
        """Return whether a record announces an error, or is of a harmless one; any other gets the announcement."""
        announcement, self._announcement = self._announcement, ""
        if text.startswith(ANNOUNCEMENT):
            self._announcement = text
            return True
        kind = record.exc_info[0] if record.exc_info else None
        if kind is not None and kind.__name__ == DISPENSABLE:
            return True
        if announcement:
            record.msg, record.args = "%s %s", (announcement, record.getMessage())
        return False


class Hush:
    """Stops harmless noise of the libraries until it is known whether it may go, whatever the handlers are."""

    def __init__(self) -> None:
        self._filter = KnownNoise()
        for name in HARMLESS:
            logging.getLogger(name).addFilter(self._filter)

    def keep(self) -> None:
        """Forget what was stopped, and go on."""
        self._filter.stopped.clear()

    def end(self) -> None:
        """Log what was stopped after all, and stop nothing more."""
        for name in HARMLESS:
            logging.getLogger(name).removeFilter(self._filter)
        for record in self._filter.stopped:
            logging.getLogger(record.name).handle(record)
        self._filter.stopped.clear()
