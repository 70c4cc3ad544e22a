"""A message as plugins get it."""
