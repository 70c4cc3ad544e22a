"""What was asked for, as a picture, a badge, a page or a file."""
