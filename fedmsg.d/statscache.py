"""statscache's own settings; the README has them all."""

config = {
    "statscache.consumer.enabled": True,
    # A PostgreSQL database, as in postgresql://statscache@db.example.org/statscache, or a server of its own.
    "statscache.sqlalchemy.uri": "embedded:./statscache-data",
}
