"""How late a message may come and still be in what is called complete."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)

#: A connection that died is noticed after 90 seconds at the latest.
SURE = 100.0


def warn_of_lateness(lateness: float) -> None:
    """Warn of a setting by which a dead connection can go unnoticed for too long.

    :param lateness: in seconds
    """
    if lateness < SURE:
        log.warning(
            "statscache.coverage.lateness is %.0f s: a dead connection can go unnoticed for longer, and then "
            "incomplete time is reported as complete; set it to %.0f s or more",
            lateness,
            SURE,
        )
