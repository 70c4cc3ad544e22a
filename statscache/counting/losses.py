"""Writing what is lost for good."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from statscache.intake.batch import Batch
from statscache.spool.loss import Loss
from statscache.store.gaps import record_gap, record_loss


def write_losses(connection: Connection, batch: Batch, plugins: Collection[str]) -> Loss | None:
    """Write what a batch lacks, and return what of it the spool itself has noted."""
    for lost in batch.losses.all:
        record_gap(connection, plugins, lost)
    if loss := batch.spool.loss:
        record_loss(connection, plugins, batch.spool.id, loss)
    return loss
