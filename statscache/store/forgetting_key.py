"""The key by which names of people who are forgotten are known again. It is in a file, and never in the database."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

from statscache.errors import Unusable

#: How long it is, in bytes.
LENGTH = 32
#: How many digits a fingerprint has.
DIGITS = 16


def read_key(path: Path, needed: bool) -> bytes:
    """Return the key; an empty one if there is none and none is needed.

    :raises Unusable: if it is needed and not there, or cannot be read, or is none
    """
    try:
        return _decoded(path, path.read_text(encoding="ascii"))
    except FileNotFoundError:
        if not needed:
            return b""
        raise Unusable(
            f"somebody is forgotten, and the key for that is not in {path}: nothing is counted until "
            "statscache.forget.key names it; copy it from where `statscache forget` has run"
        ) from None
    except OSError as error:
        raise Unusable(
            f"the key {path} for who is forgotten cannot be read ({error.strerror}): let this user read it"
        ) from None
    except UnicodeDecodeError:
        raise _none(path) from None


def make_key(path: Path) -> bytes:
    """Return the key, which is made if there is none.

    :raises Unusable: if it cannot be read or made, or is none
    """
    if key := read_key(path, needed=False):
        return key
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unnamed = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with open(
            os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii"
        ) as file:
            file.write(secrets.token_hex(LENGTH) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another has made one just now
            os.link(unnamed, path)
        unnamed.unlink()
    except OSError as error:
        raise Unusable(
            f"the key {path} cannot be made ({error.strerror}): let this user write there, or set "
            "statscache.forget.key to another file"
        ) from None
    return read_key(path, needed=True)


def fingerprint(key: bytes) -> str:
    """Return what tells a key from others, and does not tell the key."""
    return hashlib.sha256(b"statscache.forget.key " + key).hexdigest()[:DIGITS]


def _decoded(path: Path, text: str) -> bytes:
    with suppress(ValueError):
        if len(key := bytes.fromhex(text.strip())) == LENGTH:
            return key
    raise _none(path)


def _none(path: Path) -> Unusable:
    return Unusable(
        f"{path} is no key: it must have {2 * LENGTH} hexadecimal digits, as `statscache forget` has made them"
    )
