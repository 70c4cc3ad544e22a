"""What `statscache.keep` would free is what it then drops."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from statscache.store.disk_use import TableUse
from statscache.upkeep.disk import FIRST_S, MeasureDisk, disk_use
from tests.support.retention import HALF_AN_HOUR, KeptBench, drop_all, keeping


def uses(words: KeptBench) -> dict[str, TableUse]:
    """Return what each table uses, where seconds are kept for half an hour."""
    with words.engine.connect() as connection:
        return {its.table.name: its for its in disk_use(connection, keeping(words, _1s=HALF_AN_HOUR))}


def rows_freed(words: KeptBench) -> float | None:
    """Return how many rows of the table of seconds would be dropped."""
    its = uses(words)["test_words_1s"]
    assert its.freed is not None
    assert its.freed.rows is not None, its.freed.reason
    return its.freed.rows


def test_what_is_little_is_counted(words: KeptBench) -> None:
    """It is what is then dropped; after that it is nothing; and of a table that is kept for ever it is not asked."""
    words.execute("ANALYZE test_words_1s")
    found = uses(words)
    its = found["test_words_1s"]
    assert its.table.files is not None
    assert its.freed is not None
    assert (its.freed.rows, its.freed.share, its.freed.least) == (540, 1, False)
    assert its.freed_bytes == 540 * its.table.files.bytes / 720
    assert [name for name, its in found.items() if its.freed] == ["test_words_1s"]
    dropped = drop_all(words, keeping(words, _1s=HALF_AN_HOUR))
    assert sum(its.rows for its in dropped) == 540
    assert rows_freed(words) == uses(words)["test_words_1s"].freed_bytes == 0


def test_what_stays_all_the_same_is_not_in_it(words: KeptBench) -> None:
    """As where the next coarser table does not have the time."""
    words.execute("DELETE FROM statscache_coverage WHERE plugin = 'words-1m'")
    assert rows_freed(words) == 0


def test_of_much_little_is_read(words: KeptBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample tells about how much it is, and that it is one."""
    monkeypatch.setattr("statscache.store.sample.ENOUGH", 100)
    its = uses(words)["test_words_1s"].freed
    assert its is not None
    assert its.rows == pytest.approx(540, rel=0.2)
    assert its.share < 0.5


def test_what_cannot_be_known_is_not_nothing(words: KeptBench) -> None:
    """Where somebody holds the table, nobody waits for him, and it says so."""
    with words.engine.begin() as holder:
        holder.execute(text("LOCK TABLE test_words_1s"))
        its = uses(words)["test_words_1s"]
    assert its.freed is not None
    assert (its.freed.rows, its.freed_bytes) == (None, None)
    assert its.freed.reason == "somebody holds it alone"


def test_the_daemon_looks_at_it_with_the_growth(words: KeptBench) -> None:
    """After the sizes, one table at a time."""
    now = 0.0
    chore = MeasureDisk(words.engine, keeping(words, _1s=HALF_AN_HOUR), clock=lambda: now)
    now = FIRST_S
    assert chore.run()
    assert all(its.freed is None for its in chore.latest)
    while chore.run():
        pass
    assert [its.freed.rows for its in chore.latest if its.freed] == [540]
