"""What a client is told when it gets no rows."""

from __future__ import annotations


class Refusal(Exception):
    """An answer that is no success: one sentence, and nothing of what happens inside.

    :param retry_after: after how many seconds to ask again; None to say nothing of it
    """

    def __init__(self, status: int, sentence: str, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.retry_after = retry_after


def bad(sentence: str) -> Refusal:
    """Return the refusal of a request that nobody can answer as it stands."""
    return Refusal(400, sentence)
