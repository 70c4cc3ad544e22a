"""Messages of begins and ends, drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from tests.support.bench import Bench
from tests.support.durations import GIVE_UP, Lengths, Sent

Make = Callable[..., Bench]

IDS, KINDS = st.sampled_from("ab"), st.sampled_from(["x", "y"])
BEGINS = st.tuples(st.just("began"), IDS, st.none() | KINDS, st.none())
ENDS = st.tuples(st.just("ended"), IDS, KINDS, st.sampled_from(["ann", "bob"]))
SAYS = st.lists(BEGINS | ENDS, min_size=1, max_size=3).map(tuple)
#: Few seconds, many of them as far apart as what is given up, or nearly.
SECONDS = st.integers(100, 106) | st.sampled_from(
    [n * GIVE_UP + 100 + d for n in range(4) for d in (-1, 0, 1)]
)


@st.composite
def histories(draw: st.DrawFn) -> list[Sent]:
    """Return messages in an order of their own, some of which come several times."""
    seconds = draw(st.lists(SECONDS, min_size=1, max_size=12))
    sent = [Sent(second, f"m{number}", draw(SAYS)) for number, second in enumerate(seconds)]
    again = draw(st.lists(st.sampled_from(sent), max_size=3))
    return draw(st.permutations([*sent, *again]))


def flush(bench: Bench, messages: Sequence[Sent]) -> None:
    """Let messages come over the bus, and be written."""
    for message in messages:
        bench.intake.accept(message.body)
    bench.flush()


def empty(bench: Bench) -> None:
    """Let nothing have been counted."""
    bench.execute(
        "TRUNCATE test_lengths, test_lengths_event, statscache_ledger, statscache_quarantine, "
        "statscache_quarantine_body"
    )
    bench.execute("UPDATE statscache_coverage SET covered = '{}', pruned = NULL")


class Benches:
    """Daemons that are made once for all examples of a test."""

    _made: tuple[Make, list[Bench]] | None = None

    @classmethod
    def some(cls, make: Make, number: int) -> list[Bench]:
        """Return so many, with nothing counted yet.

        :param make: the fixture `make_bench`, by which one test is known from another
        """
        if cls._made is None or cls._made[0] is not make:
            cls._made = make, [make(Lengths) for _ in range(number)]
        benches = cls._made[1]
        empty(benches[0])
        return benches

    @classmethod
    def one(cls, make: Make) -> Bench:
        """Return one, with nothing counted yet."""
        return cls.some(make, 1)[0]
