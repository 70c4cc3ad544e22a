"""How the line of a chart goes: whole where it is sure, broken where it is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from statscache.query.figures import Number


@dataclass(frozen=True)
class Runs:
    """The parts of a line, each the numbers of the points that it joins.

    :param sure: joins complete points
    :param unsure: joins points of which one at least is not complete; one of a single point joins nothing
    :param alone: complete points that nothing sure joins
    :param unknown: points that are zero as far as is known, and are not complete
    """

    sure: tuple[tuple[int, ...], ...]
    unsure: tuple[tuple[int, ...], ...]
    alone: tuple[int, ...]
    unknown: tuple[int, ...]


def runs_of(values: Sequence[Number | None], complete: Sequence[bool], nothing: int | None = 0) -> Runs:
    """Return the parts of a line.

    :param values: None where there is no value
    :param complete: for each whether no message is missing
    :param nothing: the value where nothing was counted, None where there is none
    """
    doubted = [
        None if whole or value == nothing else value for value, whole in zip(values, complete, strict=True)
    ]
    sure = [tuple(run) for run in _runs(values, complete, True)]
    joined = {place for run in sure for place in run if len(run) > 1}
    return Runs(
        tuple(run for run in sure if len(run) > 1),
        tuple(_unsure(doubted, values, complete)),
        tuple(run[0] for run in sure if run[0] not in joined),
        tuple(
            place
            for place, value in enumerate(values)
            if value == 0 and not (nothing is None or complete[place])
        ),
    )


def _runs(values: Sequence[Number | None], complete: Sequence[bool], wanted: bool) -> Iterator[list[int]]:
    """Yield the runs of points that have a value and are complete, or not."""
    run: list[int] = []
    for place, value in enumerate(values):
        if value is not None and complete[place] == wanted:
            run.append(place)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _unsure(
    doubted: Sequence[Number | None], values: Sequence[Number | None], complete: Sequence[bool]
) -> Iterator[tuple[int, ...]]:
    """Yield what joins points that are not complete, and have something, to each other and to their neighbours."""
    for run in _runs(doubted, complete, False):
        before, after = run[0] - 1, run[-1] + 1
        if before >= 0 and complete[before] and values[before] is not None:
            run.insert(0, before)
        if after < len(values) and complete[after] and values[after] is not None:
            run.append(after)
        yield tuple(run)


def stretches(marks: Sequence[object]) -> Iterator[tuple[int, int, object]]:
    """Yield where each run of equal marks begins, where it ends, and the mark; those of None are left out."""
    start = 0
    for place in range(1, len(marks) + 1):
        if place == len(marks) or marks[place] != marks[start]:
            if marks[start] is not None:
                yield start, place, marks[start]
            start = place
