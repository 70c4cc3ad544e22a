"""Which messages of a batch a plugin has not counted yet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from statscache.counting.overlap import horizon, lacking_ids, without_covered
from statscache.daemon import Daemon
from statscache.database.lock import counting
from statscache.intake.batch import OldBatch
from statscache.messages import rules
from statscache.messages.message import Message
from statscache.span import Span
from statscache.store.coverage import cover, want

#: A second that no ledger reaches back to, and one that it does.
OLD, YOUNG = 1_000_000, 2_000_000


def batch_of(*seconds: int) -> OldBatch:
    """Return a batch with a message at each of the seconds, whose id it is."""
    batch = OldBatch(rules)
    for second in seconds:
        batch.add(Message({"topic": "a.b.c.d", "msg": {}, "msg_id": str(second), "timestamp": second}))
    return batch


def test_all_is_lacking_where_the_ledger_knew_none() -> None:
    """Then it is not even looked through."""
    assert lacking_ids(batch_of(1, 2), {}, "a") == ["1", "2"]


def test_of_known_messages_a_plugin_lacks_those_that_others_have() -> None:
    """What the ledger knew is lacking only for the plugins it names."""
    missing = {"1": frozenset({"a"}), "2": frozenset[str]()}
    assert lacking_ids(batch_of(1, 2, 3), missing, "a") == ["1", "3"]
    assert lacking_ids(batch_of(1, 2, 3), missing, "b") == ["3"]


def test_what_is_older_than_the_ledger_counts_only_where_it_is_not_covered(
    daemon: Daemon, engine: Engine
) -> None:
    """Coverage speaks for what the ledger has forgotten, for each plugin alone; what is young is left to the ledger."""
    everyone = frozenset({"a", "b"})
    batch = batch_of(OLD, OLD + 10, YOUNG)
    with counting(engine) as connection:
        want(connection, dict.fromkeys(everyone, datetime.fromtimestamp(0, UTC)))
        cover(connection, {"a"}, Span(OLD, OLD + 1))
        cover(connection, {"b"}, Span(OLD, YOUNG + 1))
        missing = without_covered(connection, batch, everyone, {}, YOUNG)
    assert lacking_ids(batch, missing, "a") == [str(OLD + 10), str(YOUNG)]
    assert lacking_ids(batch, missing, "b") == [str(YOUNG)]


def test_nothing_is_asked_of_coverage_where_all_is_young(daemon: Daemon, engine: Engine) -> None:
    """The ledger's word is passed on as it is."""
    missing = {"1": frozenset({"a"})}
    with counting(engine) as connection:
        assert without_covered(connection, batch_of(YOUNG), frozenset({"a"}), missing, OLD) is missing


def test_the_horizon_is_as_long_ago_as_the_ledger_is_kept() -> None:
    """In seconds since 1970."""
    now = datetime.now(UTC).timestamp()
    assert abs(horizon(timedelta(days=8)) - (now - 8 * 86_400)) < 5
