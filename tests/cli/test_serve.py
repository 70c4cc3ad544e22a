"""`statscache serve`: where it is to listen."""

from __future__ import annotations

from pathlib import Path

import pytest

from statscache.setting.types import ADDRESS
from tests.support.commands import NOWHERE
from tests.support.place import Place


def test_an_address_that_is_none_is_told(tmp_path: Path) -> None:
    """In one line that says what was expected."""
    code, output, errors = Place(tmp_path, NOWHERE).run("serve", "--listen", "localhost")
    assert (code, output) == (2, "")
    assert errors == (
        "statscache: --listen must be a host and a port, such as '127.0.0.1:8080' or '[::1]:8080', not 'localhost'\n"
    )
    for value in ("", "8080", "127.0.0.1:x", "127.0.0.1:70000", "::1:80", "a b:1", 8080, None):
        with pytest.raises(ValueError, match="a host and a port"):
            ADDRESS.read(value)
