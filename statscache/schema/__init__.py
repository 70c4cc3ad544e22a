"""What makes the tables, views and functions, and changes them."""
