"""From batches to rows: the timer, the transaction and what it writes."""
