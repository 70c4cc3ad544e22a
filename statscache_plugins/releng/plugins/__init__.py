"""The parts of the release engineering logs."""
