"""The places of the hubs, which are in a hurry."""

from __future__ import annotations

from tests.system.torture.fleet import Slot, Victim


class HistoryVictim(Victim):
    """A hub in a hurry."""

    script = "from tests.system.history.launcher import main; main()"


class HistorySlot(Slot):
    """A place for such hubs."""

    victim = HistoryVictim
