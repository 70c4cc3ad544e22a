"""A table that somebody has partitioned is counted into as before, as docs/running/growing.md says how."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.bench import Bench, Good, Other
from tests.support.recounting import body

PARTITION = """
SET LOCAL statscache.writes = 'on';
ALTER TABLE test_good RENAME TO test_good_old;
CREATE TABLE test_good (LIKE test_good_old INCLUDING ALL) PARTITION BY RANGE (timestamp);
ALTER TABLE test_good ATTACH PARTITION test_good_old
    FOR VALUES FROM ('2023-01-01+00') TO ('2023-11-14 22:02+00');
CREATE TABLE test_good_new PARTITION OF test_good
    FOR VALUES FROM ('2023-11-14 22:02+00') TO ('2025-01-01+00');
"""


def test_a_partitioned_table_is_counted_into(make_bench: Callable[..., Bench]) -> None:
    """What was there stays, and what comes is added; what no partition takes waits in the quarantine until one does."""
    bench = make_bench(Good, Other)
    for number in range(10):
        bench.intake.accept(body(number))
    bench.flush()
    bench.die()
    bench.execute(PARTITION)
    bench = make_bench(Good, Other)
    for number in range(10, 30):
        bench.intake.accept(body(number))
    bench.flush()
    tables = ("test_good", "test_good_old", "test_good_new", "test_other")
    assert [bench.volume(table) for table in tables] == [30, 12, 18, 30]
    bench.send("old")
    bench.flush()
    assert (bench.quarantined("good"), bench.volume("test_other")) == (["old"], 31)
    bench.keep_up()
    assert bench.execute("SELECT * FROM statscache_removed") == []
    bench.execute("CREATE TABLE others PARTITION OF test_good DEFAULT")
    assert bench.retry("good") == 1
    assert bench.volume("test_good") == 31
