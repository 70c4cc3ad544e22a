"""The log lines that a command writes to standard error."""

from __future__ import annotations

import logging

#: From which level on they are written: only errors, or, where somebody asked for them, more.
QUIET, VERBOSE = logging.ERROR, logging.INFO


def write_log_lines(verbose: bool) -> None:
    """Write log lines to standard error.

    :param verbose: whether to write more than errors
    """
    level = VERBOSE if verbose else QUIET
    logging.basicConfig(level=QUIET, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("statscache").setLevel(level)
    # So that nobody waits for a database without knowing it.
    logging.getLogger("statscache.database.refusals").setLevel(min(level, logging.WARNING))


def is_verbose() -> bool:
    """Return whether this process writes more log lines than errors."""
    return logging.getLogger("statscache").isEnabledFor(VERBOSE)
