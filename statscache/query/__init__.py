"""What a reader asks of the tables, and the SQL that answers it."""
