"""Fault injection: hubs and databases are killed, frozen and cut off under load, and then every cell is compared."""
