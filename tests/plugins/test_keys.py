"""Which texts can be keys: any that PostgreSQL can keep and index."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import text

from tests.support.bench import Bench


@pytest.mark.parametrize(
    "word", ["é" * 1300, "x" * 2600, '"{},\\', "a b", "NULL", "", "'; DROP TABLE x", "\U0001f600"]
)
def test_any_other_text_is_a_key(word: str, bench: Bench) -> None:
    """Quotes, braces, backslashes and the longest keys come back from the table as they went in."""
    bench.accept(word, word)
    bench.flush()
    with bench.engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(text("SELECT word, volume FROM test_good"))] == [
            (word, 2)
        ]


def test_a_longest_key_that_does_not_compress_fits_the_index(bench: Bench) -> None:
    """A key of 2,600 random bytes can be stored: the limit is not too high."""
    chance = random.Random(1)
    bench.accept(
        "".join(chance.choice("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQR") for _ in range(2600))
    )
    bench.flush()
    assert bench.volume("test_good") == 1
