"""Makes the rows of plugins anew that somebody has deleted, or that a restored dump has not got."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Engine

from statscache.hosting.loader import Part
from statscache.schema.registry import register_again


class RegisterAgain:
    """Sees to it that each plugin that runs is registered, as without that nothing says what it has covered.

    :param epoch: from when on there is to be history; None for from the first start of any plugin on this database
    """

    def __init__(self, engine: Engine, parts: Collection[Part], epoch: datetime | None) -> None:
        self._engine = engine
        self._parts = parts
        self._epoch = epoch

    def run(self) -> bool:
        """Do it."""
        register_again(self._engine, self._parts, self._epoch)
        return False
