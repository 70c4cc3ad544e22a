"""The revisions that there are, by the names of their files, so that nobody loads them who has nothing to upgrade."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sqlalchemy import Connection

from statscache.store.revisions import BASELINE, Stage, applied, number_of_revision

#: Where those of statscache itself are.
VERSIONS = Path(__file__).with_name("versions")
FILE = re.compile(r"([efc]?\d{4})_\w+\.py")


@dataclass(frozen=True)
class Tree:
    """Revisions, in the order in which they are applied.

    :param places: the directories with their files
    """

    places: tuple[Path, ...] = (VERSIONS,)

    @cached_property
    def revisions(self) -> list[str]:
        """The ids of all: the first, those that expand, those that fill, those that contract."""
        names = [path.name for place in self.places for path in place.iterdir()]
        found = [match[1] for name in names if (match := FILE.fullmatch(name))]
        stages = ["", *(stage.value for stage in Stage)]
        return sorted(found, key=lambda its: (stages.index(its[:-4]), its))

    @property
    def newest(self) -> int:
        """The number of the newest."""
        return max(map(number_of_revision, self.revisions))

    @property
    def heads(self) -> list[str]:
        """The newest of each stage: what a database has that is made in the form of now."""
        return [its[-1] for stage in Stage if (its := self._of(stage))] or [BASELINE]

    def pending(self, applied: Collection[str], stage: Stage) -> Iterator[str]:
        """Yield the revisions of a stage that are not applied.

        :param applied: the newest of each stage that are
        """
        reached = max((number_of_revision(its) for its in applied if its.startswith(stage.value)), default=0)
        yield from (its for its in self._of(stage) if number_of_revision(its) > reached)

    def later(self, applied: Iterable[str]) -> list[str]:
        """Return those of some that are applied which only a later version knows."""
        return [its for its in applied if its not in self.revisions]

    def waiting(self, applied: Collection[str]) -> list[str]:
        """Return all that are not applied; none where a later version upgrades the tables, as only that can."""
        if self.later(applied):
            return []
        return [its for stage in Stage for its in self.pending(applied, stage)]

    def _of(self, stage: Stage) -> list[str]:
        return [its for its in self.revisions if its.startswith(stage.value)]


#: Those of statscache itself.
TREE = Tree()


def waiting(connection: Connection, tree: Tree = TREE) -> list[str]:
    """Return the revisions that are still to be applied to a database which has statscache's tables."""
    return tree.waiting(applied(connection) or [BASELINE])
