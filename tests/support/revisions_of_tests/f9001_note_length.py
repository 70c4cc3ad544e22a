"""Notes that were there have their length beside them, too, and an index by it."""

from __future__ import annotations

from alembic import op

from statscache.schema.migrations.online import Online

revision = "f9001"
down_revision = "0001"
branch_labels = ("fill",)
depends_on = None
tables = ("statscache_note",)


def fill(online: Online) -> None:
    online.rows("statscache_note", "length = length(text)", "length IS NULL")
    online.index("test_note_length", "statscache_note (length)")
    online.quick(
        "ALTER TABLE statscache_note DROP CONSTRAINT IF EXISTS test_has_length",
        "ALTER TABLE statscache_note ADD CONSTRAINT test_has_length CHECK (length IS NOT NULL) NOT VALID",
    )
    online.patient("ALTER TABLE statscache_note VALIDATE CONSTRAINT test_has_length")


def upgrade() -> None:
    op.execute("ALTER TABLE statscache_note ALTER COLUMN length SET NOT NULL")
