"""What a process that runs for years needs of its machine: clocks, waits, descriptors, the signal of logrotate."""
