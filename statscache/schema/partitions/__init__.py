"""Tables that are partitioned by time: which periods, and what of them is there."""
