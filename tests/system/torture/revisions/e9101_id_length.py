"""A message in the ledger has the length of its id beside it, whoever writes it."""

from __future__ import annotations

from alembic import op

revision = "e9101"
down_revision = "e0002"
branch_labels = None
depends_on = None
tables = ("statscache_ledger",)

STATEMENTS = (
    "ALTER TABLE statscache_ledger ADD COLUMN IF NOT EXISTS id_length bigint",
    "CREATE OR REPLACE FUNCTION torture_id_length() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN NEW.id_length := length(NEW.msg_id); RETURN NEW; END $$",
    "CREATE OR REPLACE TRIGGER torture_id_length BEFORE INSERT OR UPDATE ON statscache_ledger "
    "FOR EACH ROW EXECUTE FUNCTION torture_id_length()",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
