"""What is wrong with a question."""

from __future__ import annotations

from statscache.errors import Sentence, StatscacheError


class BadQuestion(StatscacheError):
    """A question that nobody can answer as it is put; one sentence that names what is wrong with it.

    :param message: with the names of its values in braces
    """

    def __init__(self, message: str, **values: object) -> None:
        self.sentence = Sentence(message, values)
        super().__init__(str(self.sentence))


class Expected(ValueError):
    """What a value must be, and is not, as in "a whole number"; its values are as those of `BadQuestion`."""

    def __init__(self, message: str | Sentence, **values: object) -> None:
        self.sentence = message if isinstance(message, Sentence) else Sentence(message, values)
        super().__init__(str(self.sentence))
