"""The tables as they were before there were revisions."""

from __future__ import annotations

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
tables = ()


def upgrade() -> None:
    """Do nothing: what is there is this form, and a new database gets the form of now."""
