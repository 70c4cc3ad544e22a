"""Lines of shell, as far as the documentation has them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

#: What separates one command from the next.
BREAKS = {"|", "||", "&&", ";", "&", "(", ")"}
REDIRECTIONS = {">", ">>", "<", "2>", "&>", ">&"}
#: What can stand before a command and its arguments.
BEFORE = re.compile(r"\w+=.*|sudo|time|nice")


def words_of(line: str) -> Iterator[list[str]]:
    """Yield the words of each simple command of a line, those in `$(…)` too, without comments and redirections."""
    for inner in re.findall(r"\$\(([^()]*)\)", line):
        yield from words_of(inner)
    lexer = shlex.shlex(line.replace("\\\n", " "), posix=True, punctuation_chars="|&;()<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word not in BREAKS:
            words.append(word)
            continue
        end = next((index for index, word in enumerate(words) if word in REDIRECTIONS), len(words))
        start = next((index for index, word in enumerate(words) if not BEFORE.fullmatch(word)), end)
        if start < end:
            yield words[start:end]
        words = []


def called(line: str, program: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of a program in a line."""
    for name, *arguments in words_of(line):
        if name.rpartition("/")[2] == program:
            yield arguments
