"""The accepted messages that are not yet committed, on local disk."""
