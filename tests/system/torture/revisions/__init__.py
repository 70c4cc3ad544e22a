"""Revisions of the suite's own, one for each stage, which a process knows that is told where they are."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import BigInteger, Column

#: The environment's variable that tells it.
VARIABLE = "TORTURE_REVISIONS"
HERE = Path(__file__).parent
#: What is noted once all are applied.
APPLIED = ["c9101", "e9101", "f9101"]
#: What a daemon says that does not know them, where one has taken away what it needs.
REFUSED = "are those of a later version of statscache"


def know(place: Path) -> None:
    """Let this process be of a version that knows the revisions in a directory, too."""
    from statscache.schema.migrations import tree
    from statscache.store import daemons, ledger, revisions

    object.__setattr__(tree.TREE, "places", (tree.VERSIONS, place))
    newest = tree.TREE.newest
    vars(revisions)["NEWEST"] = vars(daemons)["NEWEST"] = newest
    revisions.check_known.__defaults__ = (newest,)
    # It writes something, which the trigger replaces, but not in the copies of tables that are counted again.
    own: Column[int] = Column("id_length", BigInteger, default=0)
    ledger.LedgerRow.metadata.tables["statscache_ledger"].append_column(own)
