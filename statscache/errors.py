"""What statscache itself raises."""


class StatscacheError(Exception):
    """The base of all errors of statscache."""


class Unusable(StatscacheError):
    """A reason not to start, in one line that names the thing, what was expected and what to do."""


class Rejected(StatscacheError):
    """A message that cannot be counted; the text is the reason, one of a few."""


class Unstorable(StatscacheError, ValueError):
    """A text that PostgreSQL cannot keep, or not as a key."""
