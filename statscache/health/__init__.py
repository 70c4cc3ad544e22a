"""The state of the daemon: over HTTP, for systemd and at the terminal."""
