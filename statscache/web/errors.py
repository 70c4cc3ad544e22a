"""What a client is told when it gets no rows."""

from __future__ import annotations

from statscache.errors import Sentence
from statscache.query.errors import BadQuestion


class Refusal(Exception):
    """An answer that is no success: one sentence, and nothing of what happens inside.

    :param message: the sentence, with the names of its values in braces
    :param retry_after: after how many seconds to ask again; None to say nothing of it
    """

    def __init__(
        self, status: int, message: str | Sentence, retry_after: int | None = None, **values: object
    ) -> None:
        self.sentence = message if isinstance(message, Sentence) else Sentence(message, values)
        super().__init__(str(self.sentence))
        self.status = status
        self.retry_after = retry_after


def bad(question: BadQuestion) -> Refusal:
    """Return the refusal of a request that nobody can answer as it stands."""
    return Refusal(400, question.sentence)
