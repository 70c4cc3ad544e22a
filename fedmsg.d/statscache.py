"""statscache's own settings; docs/running/settings.md has them all."""

config = {
    "statscache.consumer.enabled": True,
    # A PostgreSQL database, as in postgresql://statscache@db.example.org/statscache,
    # or a server of its own.
    "statscache.sqlalchemy.uri": "embedded:./statscache-data",
}
