"""statscache's own settings; docs/running/settings.md has them all."""

config = {
    "statscache.consumer.enabled": True,
    # A PostgreSQL database, as in postgresql://statscache@db.example.org/statscache,
    # or a server of its own.
    "statscache.sqlalchemy.uri": "embedded:./statscache-data",
    # What counts by seconds is kept for so long, once the minutes have it; everything else is kept for ever.
    "statscache.keep": {"1s": "30d", "5s": "30d", "15s": "30d"},
}
