"""Where old messages are."""
