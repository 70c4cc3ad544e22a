"""Dropping old rows of tables whose time a coarser table has, or of which somebody says that they may go."""
