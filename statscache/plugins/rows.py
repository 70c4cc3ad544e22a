"""What the rows of a plugin's table come of."""

from __future__ import annotations

from enum import Enum


class Rows(Enum):
    """What a row comes of, for `BasePlugin.rows`.

    Whoever knows it can work the row out again from history, and compare or replace it.

    A table of the first two kinds has a column `timestamp`; one of the last has the columns `first` and `last`.
    """

    #: All messages of the window that starts at the row's `timestamp`, and no others. It is part of the primary key.
    WINDOW = "window"
    #: The latest of the messages about the row's primary key, which was sent at its `timestamp`.
    LATEST = "latest"
    #: All messages ever about the row's primary key: the earliest was sent at `first`, the latest at `last`.
    EVER = "ever"
