"""What answers the common questions of a table with figures: a series, and the greatest.

A view takes no range of time, so these are functions, written so that PostgreSQL puts their text into the question:
then it uses the table's indexes, and what the question filters by. They are texts to it, too: a table can be dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from statscache.schema.functions.table import (
    END,
    INSTANT,
    MOMENT,
    NUMBER,
    RANGE,
    WindowTable,
    variant,
    with_keys,
)
from statscache.schema.objects import Variant, quoted


def series(its: WindowTable) -> list[Variant]:
    """Return what lists every window: of every key that occurs in the range, or of one."""
    return [_series(its), _series_of_one(its)] if its.keys else [_series(its)]


def top(its: WindowTable) -> list[Variant]:
    """Return what lists the keys with the greatest sums or, where there are none, the windows."""
    return [_top(its) if its.keys else _busiest(its)]


def _series(its: WindowTable) -> Variant:
    about = (
        "every window from start to before stop, with 0 for those without messages, NULL for those not kept"
    )
    its = its.asked_once
    if not its.keys:
        return variant(its, RANGE, _answer(its, its.keys), _windows(its, [], "", []), about)
    keys = ", ".join(f"r.{key}" for key in its.columns)
    occurring = f"CROSS JOIN (SELECT DISTINCT {keys} FROM {its.name} AS r WHERE {its.inside('r')}) AS k"
    columns = [f"k.{key}" for key in its.columns]
    body = _windows(its, columns, occurring, columns)
    return variant(its, RANGE, _answer(its, its.keys), body, f"{about}, for each key that occurs there")


def _series_of_one(its: WindowTable) -> Variant:
    given = [(name, kind, "") for name, kind in key_arguments(its.keys).items()]
    values = [f"CAST (${n} AS {kind})" for n, kind in enumerate(its.keys.values(), start=3)]
    about = (
        "every window from start to before stop, with 0 for those without messages, NULL for those not kept, "
        "for one key"
    )
    its = its.asked_once
    start, stop = (argument[:2] for argument in RANGE)
    arguments = [(*start, ""), (*stop, ""), *given]
    return variant(its, arguments, _answer(its, its.keys), _windows(its, values, "", values), about)


def key_arguments(keys: Mapping[str, str]) -> dict[str, str]:
    """Return the type of an argument for each key, by its name: key, or key1 and so on."""
    names = ["key"] if len(keys) == 1 else [f"key{n}" for n in range(1, len(keys) + 1)]
    return dict(zip(names, keys.values(), strict=True))


def _windows(its: WindowTable, columns: Sequence[str], others: str, keys: Sequence[str]) -> str:
    """Return what selects every window with its figures.

    :param columns: what gives the key columns of the answer
    :param others: what is joined to the windows
    :param keys: what the key columns of the rows counted must equal
    """
    same = "".join(f" AND d.{own} = {key}" for own, key in zip(its.columns, keys, strict=False))
    last = f"{END} - interval {MOMENT}"
    whole = its.complete("w.start", f"w.start + {its.length}")
    figures = [
        its.kept(figure.of_any_rows(f"d.{quoted(name)}"), "w.start", f"w.start + {its.length}")
        for name, figure in its.figures.items()
    ]
    chosen = ", ".join(["w.start", *columns, *figures, whole])
    return (
        f"WITH {its.known_once} SELECT {chosen} "
        f"FROM generate_series({its.start_of('$1')}, {last}, {its.length}) AS w (start) {others} "
        f'LEFT JOIN {its.name} AS d ON d."timestamp" = w.start AND {its.inside("d")}{same} '
        f"WHERE $1 < $2 ORDER BY {', '.join(['w.start', *(c for c in columns if c.startswith('k.'))])}"
    )


def _top(its: WindowTable) -> Variant:
    keys = ", ".join(f"r.{key}" for key in its.columns)
    end = f"{its.start_of(f'({END} - interval {MOMENT})')} + {its.length}"
    figures = ", ".join(figure.of_rows for figure in its.figures.values())
    body = (
        f"SELECT {keys}, {figures}, {its.complete(its.start_of('$1'), end)} "
        f"FROM {its.name} AS r WHERE {its.inside('r')} AND $1 < $2 "
        f"GROUP BY {keys} ORDER BY {its.figures[its.leading].of_rows} DESC, {keys} LIMIT $3"
    )
    about = "the n keys with the greatest sums from start to before stop"
    return variant(its, [*RANGE, NUMBER], _answer(its, its.keys, timed=False), body, about)


def _busiest(its: WindowTable) -> Variant:
    whole = its.complete('r."timestamp"', f'r."timestamp" + {its.length}')
    figures, greatest = (
        ", ".join(f"r.{quoted(name)}" for name in names) for names in (its.figures, [its.leading])
    )
    body = (
        f'SELECT r."timestamp", {figures}, {whole} FROM {its.name} AS r '
        f'WHERE {its.inside("r")} AND $1 < $2 ORDER BY {greatest} DESC, r."timestamp" LIMIT $3'
    )
    about = "the n windows with the greatest counts from start to before stop"
    return variant(its, [*RANGE, NUMBER], _answer(its, {}), body, about)


def _answer(its: WindowTable, keys: Mapping[str, str], timed: bool = True) -> dict[str, str]:
    """Return the columns of an answer: a window's start, keys, figures, and whether these are complete."""
    start = {"timestamp": INSTANT} if timed else {}
    figures = {name: figure.kind for name, figure in its.figures.items()}
    return with_keys({**start, **keys}, {**figures, "complete": "boolean"})
