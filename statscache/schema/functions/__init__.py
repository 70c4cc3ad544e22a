"""Functions in the database that answer common questions: of the calendar, and of each table of counts."""
