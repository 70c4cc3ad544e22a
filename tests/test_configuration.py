"""The fedmsg configuration: what is told where it cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from statscache.configuration import fedmsg_config
from statscache.errors import Unusable
from statscache.settings import URI

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (f"config = {{'{URI}': 'postgresql://u:{SECRET}@h/d'", "SyntaxError"),
        ("config = {'x': int('x')}", "ValueError"),
        ("config = {'x': y}", "NameError"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_told(
    code: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is no program, or fails, is told in one line, without what stands in it."""
    (tmp_path / "fedmsg.d").mkdir()
    (tmp_path / "fedmsg.d" / "broken.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fedmsg.config.__cache", {})
    with pytest.raises(Unusable, match=rf"cannot be read \({reason}: .*fedmsg\.d") as refused:
        fedmsg_config()
    assert SECRET not in str(refused.value)
