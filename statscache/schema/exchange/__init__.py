"""Tables that are there and become the oldest partition of one that takes their place, without being rewritten."""
