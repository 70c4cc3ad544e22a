"""Rows as a file of Parquet, which is written as they come."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pyarrow as arrow
from pyarrow import csv, parquet

#: So many bytes of rows are read at once, and so many rows are written together.
BLOCK, GROUP = 1 << 20, 64 * 1024


def write_parquet(rows: IO[bytes], keys: Sequence[str], path: Path) -> int:
    """Write rows of `timestamp`, keys, `volume`, `complete` and `plugin` to a file, and return how many there are.

    :param rows: CSV with a line of titles; instants are in ISO 8601
    """
    types = {"timestamp": arrow.timestamp("us", tz="UTC"), "volume": arrow.int64(), "complete": arrow.bool_()}
    types |= {name: arrow.dictionary(arrow.int32(), arrow.string()) for name in (*keys, "plugin")}
    options = csv.ConvertOptions(
        column_types=types, true_values=["t"], false_values=["f"], strings_can_be_null=False
    )
    schema = arrow.schema(
        [(name, types[name]) for name in ("timestamp", *keys, "volume", "complete", "plugin")]
    )
    count = 0
    # PostgreSQL sends rows no faster than one thread reads them, and several hold more of them.
    read = csv.ReadOptions(block_size=BLOCK, use_threads=False)
    parse = csv.ParseOptions(newlines_in_values=True)
    with (
        parquet.ParquetWriter(path, schema, compression="zstd", use_dictionary=True) as writer,
        csv.open_csv(rows, read_options=read, parse_options=parse, convert_options=options) as batches,
    ):
        for batch in batches:
            writer.write_table(arrow.Table.from_batches([batch]).select(schema.names), row_group_size=GROUP)
            count += batch.num_rows
    return count
