"""What the database holds, looked up for those who watch the daemon."""

from __future__ import annotations

from collections.abc import Callable, Collection

from sqlalchemy import Engine

from statscache.schema.migrations.tree import waiting
from statscache.store.inventory import Inventory, take_inventory


class TakeInventory:
    """Looks at ledger, quarantine and gaps, and for upgrades that wait.

    :param plugins: those that run
    :param until: gives the second before which what is not covered is a gap
    """

    def __init__(self, engine: Engine, plugins: Collection[str], until: Callable[[], int]) -> None:
        self._engine = engine
        self._plugins = plugins
        self._until = until
        #: What there was when it was last looked at.
        self.latest = Inventory()
        #: How many upgrades of the tables waited then.
        self.upgrades = 0

    def run(self) -> bool:
        """Look."""
        with self._engine.connect() as connection:
            self.latest = take_inventory(connection, self._plugins, self._until())
            self.upgrades = len(waiting(connection))
        return False
