"""The ledger has no constraint any more of which the column itself says the same."""

from __future__ import annotations

from alembic import op

revision = "c9101"
down_revision = "0001"
branch_labels = ("contract",)
depends_on = None
tables = ("statscache_ledger",)


def upgrade() -> None:
    op.execute("ALTER TABLE statscache_ledger DROP CONSTRAINT IF EXISTS torture_has_length")
