"""Many rows in one statement; see `statscache.database.arrays`, where this is now."""

from statscache.database.arrays import column_of_numbers, column_of_texts

__all__ = ["column_of_numbers", "column_of_texts"]
