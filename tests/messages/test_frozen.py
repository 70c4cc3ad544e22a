"""A message reads as a dict, and neither it nor a part of it can be changed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statscache.messages.message import Message
from tests.support.messages import TOPIC, example, json_values, make, usable_times

bodies = st.builds(
    lambda rest, msg, timestamp: {**rest, "topic": TOPIC, "msg": msg, "timestamp": timestamp},
    st.dictionaries(st.text(), json_values, max_size=3),
    json_values,
    usable_times,
)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same in every type and digit, NaN being the same as NaN."""
    return repr(one) == repr(other)


@given(bodies)
def test_it_reads_as_the_dict_it_was_made_of(body: dict[str, Any]) -> None:
    """Each way to read a dict gives what the body gives, in the body's order."""
    message = Message(body)
    assert len(message) == len(body)
    assert list(message) == list(message.keys()) == list(body)
    assert all(same(message[key], body[key]) and same(message.get(key), body[key]) for key in body)
    assert all(key in message for key in body)
    assert same(list(message.items()), list(body.items()))
    assert same(list(message.values()), list(body.values()))
    assert same(dict(message), body)
    assert same({**message}, body)
    assert isinstance(message, Mapping)


def test_it_equals_its_body() -> None:
    """A message and its parts equal the dicts and lists that they stand for, before and after they are read."""
    message = make()
    assert message == example()
    assert message["msg"]["list"] == example()["msg"]["list"]
    assert message == example() != make(msg_id="2016-b")


def test_a_key_that_is_not_there_is_missing_as_in_a_dict() -> None:
    """`[]` raises KeyError, `get` gives None or the default."""
    message = make()
    with pytest.raises(KeyError):
        message["no"]
    assert message.get("no") is None
    assert message.get("no", 7) == message["msg"].get("no", 7) == 7
    assert "no" not in message


@given(bodies)
def test_it_is_written_as_json_as_its_body_is(body: dict[str, Any]) -> None:
    """`json.dumps` gives the same text, whatever has been read before, and however it is laid out."""
    message = Message(body)
    assert json.dumps(message) == json.dumps(body)
    read_all(message)
    assert json.dumps(message) == json.dumps(body)
    assert json.dumps(message, indent=1, sort_keys=True) == json.dumps(body, indent=1, sort_keys=True)


@given(
    bodies, st.sampled_from([copy.deepcopy, copy.copy, dict.copy, Message.copy, lambda message: message | {}])
)
def test_a_copy_is_a_plain_dict_that_shares_nothing(
    body: dict[str, Any], copied: Callable[[Any], Any]
) -> None:
    """Every kind of copy equals the body and is made of plain dicts and lists, none of them the message's."""
    before = repr(body)
    message = Message(body)
    read_all(message["msg"])
    given = message.copy() if copied is dict.copy else copied(message)
    assert same(given, body)
    spoil(given)
    assert same(message, body)
    assert repr(body) == before


def read_all(value: Any) -> None:
    """Read everything, so that everything is frozen."""
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        read_all(inner)


def spoil(value: Any) -> None:
    """Change everything in a value, which must be all of plain dicts and lists."""
    if isinstance(value, dict | list):
        assert type(value) in (dict, list)
        for inner in list(value.values() if isinstance(value, dict) else value):
            spoil(inner)
        value.clear()


COPIES: dict[str, Callable[[Any], Any]] = {
    "a list's copy": lambda message: message["msg"]["list"].copy(),
    "a copy.copy of a list": lambda message: copy.copy(message["msg"]["list"]),
    "a copy.deepcopy of a list": lambda message: copy.deepcopy(message["msg"]["list"]),
    "a dict or another": lambda message: message["msg"] | {"x": 1},
    "another or a dict": lambda message: {"x": 1} | message["msg"],
    "a dict's copy": lambda message: message["msg"].copy(),
    "a copy.copy of a dict": lambda message: copy.copy(message["msg"]),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_of_a_part_is_free_of_the_message(name: str) -> None:
    """The copy can be changed down to the bottom, and the message stays as it was."""
    message = make()
    spoil(COPIES[name](message))
    assert message == example()


def test_a_list_can_be_added_to_one_s_own() -> None:
    """`+=`, `extend` and `+` put a message's items into a list of the plugin's, the very one that it holds."""
    message = make()
    mine: list[Any] = []
    alias = mine
    mine += message["msg"]["list"]
    mine.extend(message["msg"]["list"])
    assert alias is mine
    assert mine == message["msg"]["list"] + message["msg"]["list"] == [] + message["msg"]["list"] * 2
    mine.clear()
    assert message == example()


VIEWS: dict[str, Callable[[Any], Any]] = {
    "dict()": lambda message: dict(message)["msg"]["list"],
    "{**}": lambda message: {**message}["msg"]["list"],
    "get": lambda message: message.get("msg").get("list"),
    "items": lambda message: dict(message.items())["msg"]["list"],
    "values": lambda message: list(message.values())[2]["list"],
    "keyword arguments": lambda message: dict(**message)["msg"]["list"],
    "update": lambda message: updated({}, message)["msg"]["list"],
    "list()": lambda message: list(message["msg"]["list"])[1],
    "[*]": lambda message: [*message["msg"]["list"]][1],
    "tuple()": lambda message: tuple(message["msg"]["list"])[1],
    "+=": lambda message: extended([], message["msg"]["list"])[1],
    "a list plus another": lambda message: (message["msg"]["list"] + [])[1],
    "another plus a list": lambda message: ([] + message["msg"]["list"])[1],
    "a list times a number": lambda message: (message["msg"]["list"] * 2)[4],
    "a number times a list": lambda message: (2 * message["msg"]["list"])[1],
    "sorted": lambda message: sorted(message["msg"]["list"], key=str)[1],
    "a slice's item": lambda message: message["msg"]["list"][1:][0],
    "a negative index": lambda message: message["msg"]["list"][-2],
    "reversed": lambda message: list(reversed(message["msg"]["list"]))[1],
    "a loop": lambda message: next(item for item in message["msg"]["list"] if isinstance(item, list)),
    "unpacking": lambda message: unpacked(*message["msg"]["list"]),
}


def updated(target: dict[str, Any], source: Any) -> dict[str, Any]:
    target.update(source)
    return target


def extended(target: list[Any], source: Any) -> list[Any]:
    target += source
    return target


def unpacked(first: Any, second: Any, third: Any) -> Any:
    return second


@pytest.mark.parametrize("name", VIEWS)
def test_whatever_way_a_part_is_reached_it_cannot_be_changed(name: str) -> None:
    """A list that lies within the message refuses to be changed, by whatever way it was come to."""
    message = make()
    with pytest.raises(TypeError, match="cannot be changed"):
        VIEWS[name](message).append(1)
    assert message == example()


DICT_WRITES: dict[str, Callable[[Any], object]] = {
    "[]=": lambda target: target.__setitem__("x", 1),
    "del": lambda target: target.__delitem__(next(iter(target))),
    "|=": lambda target: target.__ior__({"x": 1}),
    "clear": lambda target: target.clear(),
    "pop": lambda target: target.pop(next(iter(target))),
    "pop with a default": lambda target: target.pop("no", None),
    "popitem": lambda target: target.popitem(),
    "setdefault": lambda target: target.setdefault("x", []),
    "update": lambda target: target.update(x=1),
}
LIST_WRITES: dict[str, Callable[[Any], object]] = {
    "[]=": lambda target: target.__setitem__(0, 1),
    "[:]=": lambda target: target.__setitem__(slice(None), []),
    "del": lambda target: target.__delitem__(0),
    "+=": lambda target: target.__iadd__([1]),
    "*=": lambda target: target.__imul__(2),
    "append": lambda target: target.append(1),
    "clear": lambda target: target.clear(),
    "extend": lambda target: target.extend([1]),
    "insert": lambda target: target.insert(0, 1),
    "pop": lambda target: target.pop(),
    "remove": lambda target: target.remove(target[0]),
    "reverse": lambda target: target.reverse(),
    "sort": lambda target: target.sort(key=str),
}
DICTS: dict[str, Callable[[Message], Any]] = {
    "the message": lambda message: message,
    "its msg": lambda message: message["msg"],
    "a dict in a dict": lambda message: message["msg"]["dict"]["dict"],
    "a dict in a list": lambda message: message["msg"]["list"][0],
    "a dict in a list in a list": lambda message: message["msg"]["list"][1][0],
}
LISTS: dict[str, Callable[[Message], Any]] = {
    "a list in msg": lambda message: message["msg"]["list"],
    "a list in a dict in a list": lambda message: message["msg"]["list"][0]["a"],
    "a list in a list": lambda message: message["msg"]["list"][1],
    "a list in a dict in a dict": lambda message: message["msg"]["dict"]["list"],
}


@pytest.mark.parametrize("place", DICTS)
@pytest.mark.parametrize("name", DICT_WRITES)
def test_no_dict_in_it_can_be_changed(name: str, place: str) -> None:
    """Every method of dict that changes it raises TypeError, saying what to do instead."""
    message = make()
    with pytest.raises(TypeError, match=r"change a copy\.deepcopy of it"):
        DICT_WRITES[name](DICTS[place](message))
    assert message == example()


@pytest.mark.parametrize("place", LISTS)
@pytest.mark.parametrize("name", LIST_WRITES)
def test_no_list_in_it_can_be_changed(name: str, place: str) -> None:
    """Every method of list that changes it raises TypeError, saying what to do instead."""
    message = make()
    with pytest.raises(TypeError, match=r"change a copy\.deepcopy of it"):
        LIST_WRITES[name](LISTS[place](message))
    assert message == example()


def test_no_method_is_forgotten() -> None:
    """Whatever method of dict or list these Pythons have that could change it is among those tried above."""
    harmless = {"copy", "count", "index", "get", "items", "keys", "values", "fromkeys"}
    names = {name for name in [*dir(dict), *dir(list)] if not name.startswith("_")}
    assert names - harmless <= {name.split()[0] for name in [*DICT_WRITES, *LIST_WRITES]}
