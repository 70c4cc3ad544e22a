"""What people do, and who is new."""
