"""Of what is not kept no reader gets a figure, and each is told why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from statscache.query.answering import Asking, read_answer
from statscache.query.frame import frame_of
from statscache.query.missing import Reason
from statscache.query.periods import Step
from statscache.query.sections import Form
from statscache.query.series import Series, read_series
from statscache.query.statistics import statistics
from statscache.query.tables import serve
from statscache.query.view import View
from statscache.render.files import as_csv
from statscache.render.language import language
from statscache.render.verdict import sentence
from statscache.schema.functions.create import create_functions
from statscache.store.inventory import take_inventory
from tests.support.recounting import HOURS, START
from tests.support.retention import HALF_AN_HOUR, KeptBench, drop_all, keeping
from tests.upkeep.retention.test_drop import OLD

FIRST, LAST = (datetime.fromtimestamp(second, UTC) for second in (START, START + 7200))
NOW = datetime.fromtimestamp(START + 8000, UTC)


@pytest.fixture
def dropped(words: KeptBench) -> KeptBench:
    """A daemon that keeps seconds and minutes for half an hour."""
    drop_all(words, keeping(words, _1s=HALF_AN_HOUR, _1m=HALF_AN_HOUR))
    create_functions(words.engine, words.app.parts)
    return words


def test_functions_give_null(dropped: KeptBench) -> None:
    """By the window and by the period, of all keys and of one; zeros stay zeros where it is kept."""
    between = "to_timestamp(:first), to_timestamp(:last)"
    ends = {"first": START, "last": START + 7200}
    query = (
        "SELECT extract(epoch FROM timestamp)::bigint - :first, volume, complete FROM test_words_1m_series"
    )
    found = dropped.execute(f"{query}({between}, 'a') ORDER BY 1", **ends)
    assert found[: OLD // 60] == [(60 * place, None, False) for place in range(OLD // 60)]
    assert found[OLD // 60 :] == [(OLD + 60 * place, 2, True) for place in range(30)]
    query = "SELECT volume, complete FROM test_words_1m_periods"
    hours = dropped.execute(f"{query}({between}, 'hour') ORDER BY timestamp", **ends)
    assert hours == [(None, False), (None, False)]
    quarters = dropped.execute(f"{query}({between}, 'minute') ORDER BY timestamp", **ends)
    assert quarters[-31:] == [(None, False), *[(6, True)] * 30]
    nothing = "SELECT count(*), count(volume) FROM test_words_1s_series(to_timestamp(:late), to_timestamp(:last), 'x')"
    assert dropped.execute(nothing, late=START + OLD, last=START + 7200) == [(1800, 1800)]


def series(bench: KeptBench, step: Step) -> Series:
    """Return what a page shows of the words by the minute, of two hours."""
    served = {"words-1m": serve(bench.app.plugins["words-1m"])}
    view = View(start=FIRST, stop=LAST, step=step, by="word")
    with bench.engine.connect() as connection:
        return read_series(connection, frame_of(statistics(served)["words"], view, NOW, connection), NOW)


def test_the_page_has_no_figure_and_says_why(dropped: KeptBench) -> None:
    """A dash in place of a zero, in CSV an empty cell."""
    found = series(dropped, Step.MINUTE)
    gone = OLD // 60
    assert [line.volumes[:gone] for line in found.lines] == [(None,) * gone] * len(found.lines)
    assert found.totals == (None,) * gone + (6,) * 30
    reasons = [[each.reason for each in its] for its in found.missing]
    assert reasons == [[Reason.NOT_KEPT]] * gone + [[]] * 30
    first = as_csv(found, language("en")).splitlines()[1]
    assert first.startswith("2023-11-14T22:00:00Z,2023-11-14T22:01:00Z,a,,false,not kept any more,words-1m")
    assert "nicht mehr aufbewahrt" in as_csv(found, language("de"))
    said = "Not complete: 90 of 120 periods are not kept any more."
    assert sentence(found, language("en")).startswith(said)


@pytest.mark.parametrize("more", [{}, {"complete": True}, {"top": 200}, {"group": "word"}])
def test_the_api_has_null_for_it(dropped: KeptBench, more: dict[str, Any]) -> None:
    """In place of a sum of 0; it is not among the greatest."""
    served = serve(dropped.app.plugins["words-1m"])
    values = {"start": FIRST, "stop": LAST, "step": "minute", "rows_per_page": 500, "order": "asc", **more}
    with dropped.engine.connect() as connection:
        rows = read_answer(connection, Asking(served, [served], values, Form(), NOW)).page.rows
    volumes = [row[-1 if more == {"group": "word"} else 1] for row in rows]
    if "group" in more:
        assert len(rows) == 3 * 30
    elif "top" in more:
        assert volumes == [6] * 30
    else:
        assert volumes == [None] * (OLD // 60) + [6] * 30
        assert all(row[2] is (row[1] is not None) for row in rows) or not more


def test_it_is_no_gap_of_the_status(dropped: KeptBench) -> None:
    """Nor of the metrics."""
    dropped.execute("UPDATE statscache_coverage SET since = to_timestamp(:start)", start=START)
    late = "{[2023-11-14 23:30:00+00,2023-11-15 00:00:00+00)}"
    dropped.execute("UPDATE statscache_coverage SET covered = CAST(:late AS tstzmultirange)", late=late)
    with dropped.engine.connect() as connection:
        found = take_inventory(connection, list(dropped.app.plugins), HOURS.stop)
    assert {ident: its.gaps for ident, its in found.plugins.items()} == {
        "words-1s": 0,
        "words-1m": 0,
        "words-1h": 1,
    }


def test_a_database_of_an_earlier_version_is_read(words: KeptBench) -> None:
    """Nobody has made the table yet, so that all is kept."""
    words.execute("DROP TABLE statscache_not_kept CASCADE")
    with words.engine.connect() as connection:
        assert take_inventory(connection, list(words.app.plugins), HOURS.stop).plugins["words-1s"].gaps == 0
