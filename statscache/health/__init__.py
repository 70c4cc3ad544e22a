"""Whether the daemon does its work, told over HTTP, to systemd and at the terminal."""
