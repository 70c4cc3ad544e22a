"""Messages that were in the ledger have the length of their ids beside them, too, and there is an index by it."""

from __future__ import annotations

from alembic import op

from statscache.schema.migrations.online import Online

revision = "f9101"
down_revision = "0001"
branch_labels = ("fill",)
depends_on = None
tables = ("statscache_ledger",)


def fill(online: Online) -> None:
    online.rows("statscache_ledger", "id_length = length(msg_id)", "id_length IS NULL")
    online.index("torture_id_length", "statscache_ledger (id_length)")
    online.quick(
        "ALTER TABLE statscache_ledger DROP CONSTRAINT IF EXISTS torture_has_length",
        "ALTER TABLE statscache_ledger ADD CONSTRAINT torture_has_length CHECK (id_length IS NOT NULL) NOT VALID",
    )
    online.patient("ALTER TABLE statscache_ledger VALIDATE CONSTRAINT torture_has_length")


def upgrade() -> None:
    op.execute("ALTER TABLE statscache_ledger ALTER COLUMN id_length SET NOT NULL")
