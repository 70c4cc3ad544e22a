"""Writing a batch, and what comes of it: let go of, kept, or counted again since the database went back."""

from __future__ import annotations

import logging

from statscache.counting.keeping import Keeping
from statscache.counting.writer import Writer
from statscache.hosting.surroundings import SURROUNDINGS
from statscache.intake.backlog import Backlog
from statscache.intake.batch import Batch
from statscache.process.forks import FORKS
from statscache.store.buses import Buses
from statscache.store.continuity import Continuity, WentBack
from statscache.store.forgotten import NamesChanged

log = logging.getLogger(__name__)

#: After so many failures in a row the connections are given up: a session keeps what was set when it was opened, such
#: as that it may only read, and what is at the other end of an address may have become another server.
RENEW = 2


class Commits:
    """Commits what the backlog gives. For the flush's thread alone.

    :param continuity: knows what was committed until now
    :param buses: limits what is covered to what other buses have brought
    :param keeping: keeps copies of bridges back
    """

    def __init__(
        self, writer: Writer, backlog: Backlog, continuity: Continuity, buses: Buses, keeping: Keeping
    ) -> None:
        self._writer = writer
        self._backlog = backlog
        self._continuity = continuity
        self._buses = buses
        self._keeping = keeping
        self._failures = 0

    def commit_next(self) -> bool:
        """Commit the next batch, and return whether there was one.

        :raises Exception: whatever made its transaction fail; then all is still there to be written
        """
        batch = self._backlog.next()
        if batch is not None:
            self._commit(batch)
        return batch is not None

    def commit_nothing(self) -> None:
        """Cover the time that was heard and whose messages are all committed, as on a quiet bus no batch does.

        :raises Exception: whatever made the transaction fail
        """
        self._commit(self._backlog.nothing())

    def _commit(self, batch: Batch) -> None:
        try:
            self._writer.write(batch, self._continuity, self._buses, self._keeping)
        except WentBack as back:
            self._backlog.take_back(back.commit)
        except NamesChanged as changed:
            log.info("%s", changed)
            self._backlog.failed(batch)
        except BaseException:
            self._failures += 1
            if self._failures >= RENEW:
                self._writer.renew_connections()
            self._backlog.failed(batch)
            raise
        else:
            self._failures = 0
            self._backlog.written(batch)
        finally:
            SURROUNDINGS.put_back()
            FORKS.reap()
