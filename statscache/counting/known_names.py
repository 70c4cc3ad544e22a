"""Whether a transaction knows everybody who is forgotten, so that it writes nobody's name who is."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from statscache.intake.batch import Batch, OldBatch
from statscache.messages.pseudonyms import Pseudonyms
from statscache.store import forgotten


class KnownNames:
    """Brings the list of who is forgotten up to date.

    :param pseudonyms: the list
    :param key_file: has the key by which the names are known
    """

    def __init__(self, pseudonyms: Pseudonyms, key_file: Path) -> None:
        self._pseudonyms = pseudonyms
        self._key_file = key_file

    def look(self, connection: Connection) -> None:
        """Read the list if it has changed, in a database whose tables an earlier version may have made.

        :raises Unusable: if somebody is forgotten, and the key is not there or is another one
        """
        forgotten.load(connection, self._pseudonyms, self._key_file)

    def check(self, connection: Connection, batch: Batch | OldBatch | None, number: int) -> None:
        """Read the list if it has changed, in the transaction that is going to write a batch.

        :param batch: None where plugins take messages only after this
        :param number: that of the list in this transaction
        :raises NamesChanged: if plugins have taken the batch's messages by another list
        :raises Unusable: as `look` does
        """
        if number != self._pseudonyms.number:
            forgotten.refresh(connection, self._pseudonyms, self._key_file)
        if batch is not None and batch.names != self._pseudonyms.number:
            raise forgotten.NamesChanged("somebody was forgotten just now: plugins take their messages again")
