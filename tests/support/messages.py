"""A message with everything in it, and any others that JSON can hold."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from statscache.messages.message import END_OF_TIME, Message

TOPIC = "org.fedoraproject.prod.bodhi.update.comment"

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(st.characters(exclude_categories=())),  # lone surrogates and NUL included
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)
usable_times = st.floats(0, END_OF_TIME, exclude_max=True) | st.integers(0, END_OF_TIME - 1)


def example() -> dict[str, Any]:
    """Return a body in which everything is nested in everything."""
    msg = {"list": [{"a": [1, 2]}, [{"b": 3}], 4], "dict": {"list": [5], "dict": {"c": 6}}}
    return {"topic": TOPIC, "timestamp": 1451606400.75, "msg": msg, "msg_id": "2016-a"}


def make(**changes: Any) -> Message:
    return Message({**example(), **changes})
