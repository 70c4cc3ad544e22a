"""A note has no link any more."""

from __future__ import annotations

from alembic import op

revision = "c9001"
down_revision = "0001"
branch_labels = ("contract",)
depends_on = None
tables = ("statscache_note",)


def upgrade() -> None:
    op.execute("ALTER TABLE statscache_note DROP COLUMN IF EXISTS link")
