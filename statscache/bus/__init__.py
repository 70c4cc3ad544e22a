"""The buses that messages come over."""
