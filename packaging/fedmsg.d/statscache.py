"""statscache's settings as the package installs them. `statscache config` lists all that there are."""

config = {
    # In fedmsg-hub; `statscache consume` runs without it.
    "statscache.consumer.enabled": True,
    # A database of its own: CREATE DATABASE statscache OWNER statscache ENCODING 'UTF8' TEMPLATE template0;
    "statscache.sqlalchemy.uri": "postgresql:///statscache?host=/run/postgresql",
    # The state directory of the units.
    "statscache.spool.directory": "/var/lib/statscache/spool",
}
