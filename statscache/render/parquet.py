"""Rows as a file of Parquet, which is written as they come."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import accumulate
from pathlib import Path
from typing import IO

# Arrow reads this when it is loaded. Its own allocators keep some 15 MB more than they are asked for.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

import pyarrow as arrow
from pyarrow import csv, parquet

#: So many bytes of rows are read at once, and about so many rows make a row group: of each, the writer remembers what
#: is in it until the file is closed.
BLOCK, GROUP = 1 << 18, 32 * 1024
TEXTS = arrow.dictionary(arrow.int32(), arrow.string())


#: A `numeric` as figures have them: sums of numbers with up to 9 digits after the point.
EXACT = arrow.decimal256(76, 9)


#: What holds the values of a column.
TYPES = {datetime: arrow.timestamp("us", tz="UTC"), str: TEXTS, int: arrow.int64(), Decimal: EXACT}


@dataclass(frozen=True)
class Origin:
    """Who has counted rows.

    :param plugin: its ident
    :param versions: by which versions of it, or what gives these of the window that starts at a second
    :param time: the column that says when a row's window starts
    """

    plugin: str
    versions: str | Callable[[int], str]
    time: str

    def columns(self, group: arrow.Table) -> Iterator[tuple[str, arrow.Array]]:
        """Yield what rows say of it, by the name of the column."""
        yield "plugin", _same(self.plugin, group.num_rows)
        if callable(self.versions):
            yield "versions", _of_each(group[self.time], self.versions)
        else:
            yield "versions", _same(self.versions, group.num_rows)


def write_parquet(rows: IO[bytes], columns: Mapping[str, type], origin: Origin, path: Path) -> int:
    """Write rows of columns, `complete`, `plugin` and `versions` to a file, and return how many there are.

    :param rows: CSV with a line of titles, without their origin; instants are in ISO 8601
    :param columns: what each holds, by name: one of `TYPES`
    """
    types = {**{name: TYPES[its] for name, its in columns.items()}, "complete": arrow.bool_()}
    schema = arrow.schema([*types.items(), ("plugin", TEXTS), ("versions", TEXTS)])
    count = 0
    with parquet.ParquetWriter(path, schema, compression="zstd", use_dictionary=True) as writer:
        for group in _groups(_batches(rows, types)):
            group = _exact(group, types)
            for name, values in origin.columns(group):
                group = group.append_column(name, values)
            writer.write_table(group.select(schema.names))
            count += group.num_rows
    return count


def _exact(group: arrow.Table, types: dict[str, arrow.DataType]) -> arrow.Table:
    """Return rows with their exact numbers, which Arrow reads from CSV as texts alone."""
    for name in [name for name, its in types.items() if its is EXACT]:
        group = group.set_column(group.schema.get_field_index(name), name, group[name].cast(EXACT))
    return group


def _same(text: str, count: int) -> arrow.Array:
    """Return a column with so many times the same text.

    It is made of bytes, since Arrow loads pandas, if that is there, to make it of objects: that takes 50 MB.
    """
    zeros = arrow.Array.from_buffers(arrow.int32(), count, [None, arrow.py_buffer(bytes(4 * count))])
    return arrow.DictionaryArray.from_arrays(zeros, _texts([text]))


def _of_each(times: arrow.ChunkedArray, text_of: Callable[[int], str]) -> arrow.Array:
    """Return a column with the text of each time, which is asked for once where rows share one.

    :param text_of: takes whole seconds since 1970
    """
    seconds = times.cast(arrow.int64()).combine_chunks().dictionary_encode()
    texts = [text_of(micros // 1_000_000) for micros in seconds.dictionary.to_pylist()]
    return _texts(texts).take(seconds.indices).dictionary_encode()


def _texts(texts: Sequence[str]) -> arrow.StringArray:
    data = [text.encode() for text in texts]
    ends = array("i", accumulate(map(len, data), initial=0)).tobytes()
    return arrow.StringArray.from_buffers(len(data), arrow.py_buffer(ends), arrow.py_buffer(b"".join(data)))


def _batches(rows: IO[bytes], types: dict[str, arrow.DataType]) -> Iterator[arrow.RecordBatch]:
    """Yield rows as they are read: PostgreSQL sends them no faster than one thread does that."""
    arrow.set_io_thread_count(1)
    arrow.set_cpu_count(1)
    read_as = {name: arrow.string() if its is EXACT else its for name, its in types.items()}
    convert = csv.ConvertOptions(
        column_types=read_as, true_values=["t"], false_values=["f"], strings_can_be_null=False
    )
    read = csv.ReadOptions(block_size=BLOCK, use_threads=False)
    parse = csv.ParseOptions(newlines_in_values=True)
    with csv.open_csv(rows, read_options=read, parse_options=parse, convert_options=convert) as batches:
        yield from batches


def _groups(batches: Iterable[arrow.RecordBatch]) -> Iterator[arrow.Table]:
    """Yield the rows of batches in tables of about `GROUP` rows."""
    waiting: list[arrow.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(each.num_rows for each in waiting) >= GROUP:
            yield arrow.Table.from_batches(waiting).unify_dictionaries()
            waiting = []
    if waiting:
        yield arrow.Table.from_batches(waiting).unify_dictionaries()
