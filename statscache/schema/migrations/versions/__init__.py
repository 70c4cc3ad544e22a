"""The revisions, one file each. Its name is the id and what the revision is about."""
