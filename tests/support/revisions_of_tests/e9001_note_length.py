"""A note has its length beside it, whoever writes it."""

from __future__ import annotations

from alembic import op

revision = "e9001"
down_revision = "e0002"
branch_labels = None
depends_on = None
tables = ("statscache_note",)

STATEMENTS = (
    "ALTER TABLE statscache_note ADD COLUMN IF NOT EXISTS length bigint",
    "CREATE OR REPLACE FUNCTION test_note_length() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN NEW.length := length(NEW.text); RETURN NEW; END $$",
    "CREATE OR REPLACE TRIGGER test_note_length BEFORE INSERT OR UPDATE ON statscache_note "
    "FOR EACH ROW EXECUTE FUNCTION test_note_length()",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
