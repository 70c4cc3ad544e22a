"""Statistics of a fedmsg bus, kept in PostgreSQL tables."""
