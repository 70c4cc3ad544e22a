"""Clears the daemon's own spool of the names of people who are forgotten."""

from __future__ import annotations

from statscache.messages.pseudonyms import Pseudonyms
from statscache.spool.spool import Spool


class ClearSpool:
    """Lets nothing stay in the spool that was written before somebody was forgotten.

    :param pseudonyms: who is, as each transaction that covers time has it
    """

    def __init__(self, pseudonyms: Pseudonyms, spool: Spool) -> None:
        self._pseudonyms = pseudonyms
        self._spool = spool

    def run(self) -> bool:
        """Begin where somebody was, and go on."""
        self._spool.forget(self._pseudonyms.number)
        return False
