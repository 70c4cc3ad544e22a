"""What is done now and then beside the flush: one file a chore."""
