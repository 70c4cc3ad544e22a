"""Messages from files."""
