"""What is wrong with a question."""

from __future__ import annotations

from statscache.errors import StatscacheError


class BadQuestion(StatscacheError):
    """A question that nobody can answer as it is put; one sentence that names what is wrong with it."""
