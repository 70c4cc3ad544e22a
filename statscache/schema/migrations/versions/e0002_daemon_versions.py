"""The version of each daemon is beside its spool."""

from __future__ import annotations

from alembic import op

revision = "e0002"
down_revision = "0001"
branch_labels = ("expand",)
depends_on = None
tables = ("statscache_spool",)
#: Without it a daemon's version is not known, and it is taken for an earlier one.
can_wait = True

COLUMNS = "ALTER TABLE statscache_spool ADD COLUMN IF NOT EXISTS version text, ADD COLUMN IF NOT EXISTS revision bigint"
COMMENTS = (
    "COMMENT ON COLUMN statscache_spool.version IS "
    "'the version of the daemon whose spool it is; null for one of before 1.0.0'",
    "COMMENT ON COLUMN statscache_spool.revision IS "
    "'the number of the newest revision of these tables that this version knows'",
)


def upgrade() -> None:
    """Add two columns, which are empty in the rows of earlier versions."""
    for statement in (COLUMNS, *COMMENTS):
        op.execute(statement)
