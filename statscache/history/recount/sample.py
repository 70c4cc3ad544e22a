"""Windows drawn at random."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from statscache.history.recount.recount import Spans
from statscache.history.recount.targets import Target
from statscache.plugins import Rows
from statscache.span import Span, without

#: Of a table without windows, so many seconds are drawn at once.
STRETCH = 3600


@dataclass(frozen=True)
class Sample:
    """So many windows, drawn at random."""

    size: int
    seed: int


def drawn(spans: Spans, sample: Sample) -> Spans:
    """Return windows drawn at random: each time of a table, then of its windows."""
    chance = random.Random(sample.seed)
    found: dict[Target, set[Span]] = {target: set() for target in spans}
    left = {target: list(its) for target, its in spans.items() if its}
    for _ in range(sample.size):
        if not left:
            break
        target = chance.choice(list(left))
        window = _window(target, left[target], chance)
        found[target].add(window)
        left[target] = [part for span in left[target] for part in without(span, [window])]
        if not left[target]:
            del left[target]
    return {target: sorted(its) for target, its in found.items()}


def _window(target: Target, spans: Sequence[Span], chance: random.Random) -> Span:
    length = STRETCH if target.rows is Rows.LATEST else target.length
    span = chance.choices(spans, [span.seconds for span in spans])[0]
    start = span.start + chance.randrange(-(-span.seconds // length)) * length
    return Span(start, min(start + length, span.stop))
