"""Clearing a spool of the names of people who are forgotten.

A record is as the message came. So what was written before somebody was forgotten does not stay for the tail: what a
database loses of it becomes a gap. Of what came since, names are replaced when it is counted.
"""

from __future__ import annotations

import logging
from pathlib import Path

from statscache.spool import layout
from statscache.spool.reader import Reader
from statscache.spool.segments import Segments

log = logging.getLogger(__name__)


class Clearing:
    """Removes what is committed of what was written before. For the flush's thread alone.

    :param directory: the spool's own
    """

    def __init__(self, directory: Path, segments: Segments, reader: Reader) -> None:
        self._directory = directory
        self._segments = segments
        self._reader = reader
        #: The number of the next such list, and up to which position nothing is to stay for its sake.
        self._under_way: tuple[int, int] | None = None

    @property
    def names(self) -> int:
        """The number of the list of who is forgotten since which all was written; 0 if that is unknown."""
        return layout.read_names(self._directory)

    def begin(self, number: int, committed: int) -> None:
        """Begin to clear it, unless it is cleared for that list or that is under way.

        :param number: that of the list of who is forgotten
        :param committed: the position before which all is committed
        """
        if self.names < number and (self._under_way is None or self._under_way[0] < number):
            self._under_way = number, self._segments.begin_anew()
        self.go_on(committed)

    def go_on(self, committed: int) -> None:
        """Remove what is committed; once that is all of it, note in the directory that it is cleared."""
        if self._under_way is None:
            return
        number, position = self._under_way
        if self._segments.drop(min(position, committed)):
            self._reader.close()
        if self._segments.start >= position:
            self._note(number)

    def _note(self, number: int) -> None:
        try:
            layout.write_names(self._directory, number)
        except OSError as error:
            log.error("%s cannot be noted: %s", self._directory / layout.NAMES, error.strerror)
        else:
            self._under_way = None
