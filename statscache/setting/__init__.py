"""What a setting may be, and what is wrong where it is not."""
