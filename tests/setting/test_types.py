"""Sizes, directories and addresses: what is accepted, and what comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statscache.setting.types import BYTE_UNITS, _address_or_none, _bytes, _directory


@pytest.mark.parametrize(
    ("value", "size"),
    [
        *((1, 1), (65536, 65536), ("1 B", 1), ("64 MiB", 64 * 2**20), ("64MiB", 64 * 2**20)),
        *(("4 GiB", 4 * 2**30), ("500 kB", 500_000), ("1 KiB", 1024), ("2 MB", 2_000_000)),
        *(("3 GB", 3 * 10**9), ("1 TB", 10**12), ("1 TiB", 2**40), (2**63 - 1, 2**63 - 1)),
    ],
)
def test_sizes_are_numbers_of_bytes_or_texts_with_a_unit(value: Any, size: int) -> None:
    """Prefixes with an i are powers of 1024, the others of 1000."""
    assert _bytes(value) == size


@pytest.mark.parametrize(
    "value",
    [
        *(0, -1, 1.0, 2**63, True, None, b"1 kB", [], float("nan"), float("inf")),
        *("", "64", "MiB", "0 MiB", "-1 MiB", "1.5 GiB", "64 mib", "64 KB", "64  MiB", "64 MiB ", "64 PiB"),
        *("9" * 5000 + " B", "999999999999999 TiB", "\u0661 MiB", "64 MiB\n"),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_other_sizes_are_refused(value: Any) -> None:
    """What has no unit, an unknown one, or is not a positive whole number is refused with examples."""
    with pytest.raises(ValueError, match=r"^a whole number of bytes above 0, .*'64 MiB'"):
        _bytes(value)


@given(st.integers(1, 8_000), st.sampled_from(list(BYTE_UNITS)))
def test_a_size_with_a_unit_is_a_multiple_of_it(count: int, unit: str) -> None:
    """The number counts units."""
    assert _bytes(f"{count} {unit}") == count * _bytes(f"1 {unit}")


def test_a_directory_may_begin_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tilde is the home of the user that runs the daemon; all else stays as it is."""
    monkeypatch.setenv("HOME", "/home/counts")
    assert _directory("~/spool") == Path("/home/counts/spool")
    assert _directory("/var/lib/statscache") == Path("/var/lib/statscache")
    assert _directory("relative/~") == Path("relative/~")


@pytest.mark.parametrize(
    "value", ["", "  ", "a\0b", "~no-such-user/x", None, 7, b"/var", [], True], ids=ascii
)
def test_other_directories_are_refused(value: Any) -> None:
    """What can be no path is refused with an example."""
    with pytest.raises(ValueError, match=r"^the path of a directory, such as"):
        _directory(value)


@pytest.mark.parametrize("value", ["127.0.0.1:9108", "[::1]:0", "localhost:65535", ""])
def test_an_address_has_a_host_and_a_port(value: str) -> None:
    """Also one of IPv6 in brackets."""
    assert _address_or_none(value) == value


@pytest.mark.parametrize(
    "value", ["9108", ":9108", "127.0.0.1", "::1:80", "a:65536", "a:b", "a b:1", "a:1\n", None, 1]
)
def test_other_addresses_are_refused(value: object) -> None:
    """The setting's error says what it must be."""
    with pytest.raises(ValueError, match=r"^a host and a port, such as .* or '' for none$"):
        _address_or_none(value)
