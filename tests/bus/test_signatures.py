"""Whether signatures can be checked: the files that the settings name are looked at before there are messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from statscache.bus.signatures import check_signatures
from statscache.errors import Unusable


@pytest.mark.parametrize("key", ["ca_cert_location", "crl_location"])
@pytest.mark.parametrize("content", [None, "", "not what it should be", "\xff"])
def test_a_file_that_would_make_every_message_invalid_is_told(
    key: str, content: str | None, settings: dict[str, Any], tmp_path: Path
) -> None:
    """A certificate or list that is not there, or is something else, is refused and named by its setting."""
    if content is not None:
        (tmp_path / "file").write_text(content, encoding="latin-1")
    with pytest.raises(Unusable, match=rf"^{key} is .*/file', .*: correct it in fedmsg\.d$"):
        check_signatures({**settings, key: str(tmp_path / "file")})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"crl_location": None},
        {"ca_cert_location": "https://example.org/ca.crt", "crl_location": "https://example.org/crl.pem"},
        {"validate_signatures": False, "ca_cert_location": "/no/such/file"},
        {"crypto_validate_backends": ["gpg"], "ca_cert_location": "/no/such/file"},
        {"crypto_backend": "gpg", "ca_cert_location": "/no/such/file"},
    ],
)
def test_what_is_not_used_or_not_here_is_not_looked_at(
    changes: dict[str, Any], settings: dict[str, Any]
) -> None:
    """A hub that does not validate, or by gpg, needs no files, and none is fetched before there are messages."""
    check_signatures({**settings, **changes})
