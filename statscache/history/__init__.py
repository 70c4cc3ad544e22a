"""Messages of the past, from an archive, in slices that are complete."""
