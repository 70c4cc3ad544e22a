"""The way to PostgreSQL: connections, locks, errors, types."""
