"""Revisions of the tests' own, one for each stage, and a process that applies them."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from statscache.database.engine import make_engine
from statscache.schema.migrations.start import upgrade_at_start
from statscache.schema.migrations.tree import VERSIONS, Tree
from statscache.schema.migrations.upgrade import Upgrade
from statscache.schema.prepare import CORE

#: They keep the length of a note beside it: they add a column with a trigger that fills it for whoever writes, fill it
#: in the rows that are there, and take the column `link` away.
OWN = Path(__file__).with_name("revisions_of_tests")
WITH_OWN = Tree((VERSIONS, OWN))


def upgrade(url: str, tree: Tree = WITH_OWN) -> list[str]:
    """Do what `statscache upgrade` does, and return what it tells."""
    told: list[str] = []
    engine = make_engine(url)
    work = Upgrade(engine, CORE, told.append, tree)
    work.run()
    told += work.waiting_for()
    engine.dispose()
    return told


def main(how: str, url: str, places: list[Any]) -> None:
    """Start as a daemon does, or upgrade, with the revisions in some directories."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    tree = Tree(tuple(map(Path, places)))
    engine = make_engine(url)
    if how == "start":
        upgrade_at_start(engine, CORE, tree)
    else:
        Upgrade(engine, CORE, lambda line: print(line, flush=True), tree).run()
    print("ended", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
