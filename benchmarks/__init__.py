"""How fast statscache is, on real hubs, sockets and databases: ``python -m benchmarks --help``."""
