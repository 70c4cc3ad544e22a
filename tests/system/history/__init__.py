"""Daemons are killed again and again while they fill gaps from an archive; each time every cell is compared."""
