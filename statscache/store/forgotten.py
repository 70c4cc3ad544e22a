"""The people who are forgotten, or have another name now: by hashes of their names, which alone tell nothing.

Whoever counts knows the list of the transaction that he writes in: it is read again whenever its number has changed.
Only who holds the lock of `statscache.database.lock.counting` alone may change it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Identity, Integer, delete, func, insert, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from statscache.database.private import keep_private
from statscache.database.relations import is_there
from statscache.errors import StatscacheError, Unusable
from statscache.messages.pseudonyms import TOKEN, Pseudonyms, hash_of, words_in
from statscache.plugins import Base
from statscache.store.forgetting_key import fingerprint, read_key


class ForgottenRow(Base):
    """Somebody who is forgotten, or has another name now."""

    __tablename__ = "statscache_forgotten"
    __table_args__ = ({"comment": "People who are forgotten or renamed, by keyed hashes of their names"},)

    number: Mapped[int] = mapped_column(
        Identity(), primary_key=True, comment="a number for this row, greater than that of any earlier one"
    )
    hash: Mapped[str] = mapped_column(
        unique=True, comment="the HMAC-SHA-256 of the name, in hexadecimal digits"
    )
    instead: Mapped[str] = mapped_column(comment="what is written instead of the name")
    words: Mapped[int] = mapped_column(
        Integer, comment="how many words the name has; 0 if it is no part of a text"
    )
    key: Mapped[str] = mapped_column(comment="the fingerprint of the key")
    since: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp(), comment="when this was written"
    )


keep_private(ForgottenRow.__table__)  # type: ignore[arg-type]
#: The number of the list, which is another one after each change.
LAST = "SELECT coalesce(max(number), 0) FROM statscache_forgotten"
NUMBER = text(LAST)


class NamesChanged(StatscacheError):
    """Somebody was forgotten since plugins took messages: they must take them again."""


def refresh(connection: Connection, pseudonyms: Pseudonyms, key_file: Path) -> None:
    """Read the list again if it has changed.

    :raises Unusable: if somebody is in it, and the key is not there or is another one
    """
    if connection.scalar(NUMBER) != pseudonyms.number:
        _load(connection, pseudonyms, key_file)


def load(connection: Connection, pseudonyms: Pseudonyms, key_file: Path) -> None:
    """Do as `refresh` does, in a database whose tables an earlier version may have made."""
    if is_there(connection, ForgottenRow.__tablename__):
        refresh(connection, pseudonyms, key_file)


def _load(connection: Connection, pseudonyms: Pseudonyms, key_file: Path) -> None:
    rows = connection.execute(select(ForgottenRow.number, ForgottenRow.hash, ForgottenRow.instead)).all()
    key = key_of(connection, key_file) if rows else b""
    words = connection.scalar(select(func.coalesce(func.max(ForgottenRow.words), 0))) or 0
    number = max((row.number for row in rows), default=0)
    pseudonyms.set(number, key, {row.hash: row.instead for row in rows}, words)


def key_of(connection: Connection, key_file: Path) -> bytes:
    """Return the key by which the names in the list are known; an empty one if there is neither list nor key.

    :raises Unusable: if it is not there, or is another one
    """
    wanted = set(connection.scalars(select(ForgottenRow.key).distinct()))
    key = read_key(key_file, needed=bool(wanted))
    if key and wanted - {fingerprint(key)}:
        raise Unusable(
            f"somebody is forgotten by another key than that in {key_file} (its fingerprint is {fingerprint(key)}, "
            f"and not {', '.join(sorted(wanted))}): nothing is counted until statscache.forget.key names the right one"
        )
    return key


def people(connection: Connection) -> tuple[int, int]:
    """Return how many are forgotten, and how many are renamed."""
    rows = list(connection.scalars(select(ForgottenRow.instead)))
    forgotten = sum(TOKEN.fullmatch(instead) is not None for instead in rows)
    return forgotten, len(rows) - forgotten


def forget(connection: Connection, key: bytes, name: str) -> str:
    """Note that a name is forgotten, and return what is written instead: the same each time.

    :param connection: holds the lock alone
    """
    found = _instead(connection, key, name)
    token = found if found and TOKEN.fullmatch(found) else f"forgotten-{secrets.token_hex(10)}"
    if token != found:
        _enter(connection, key, name, token)
    return token


def rename(connection: Connection, key: bytes, old: str, new: str) -> str:
    """Note that somebody has another name now, and return it; what stands for it if that is forgotten.

    :param connection: holds the lock alone
    """
    found = _instead(connection, key, new)
    if found is not None and not TOKEN.fullmatch(found):  # it was renamed, and comes into use again
        connection.execute(delete(ForgottenRow).where(ForgottenRow.hash == hash_of(key, new)))
        found = None
    if _instead(connection, key, old) != (found or new):
        _enter(connection, key, old, found or new)
    return found or new


def _instead(connection: Connection, key: bytes, name: str) -> str | None:
    query = select(ForgottenRow.instead).where(ForgottenRow.hash == hash_of(key, name))
    found: str | None = connection.scalar(query)
    return found


def _enter(connection: Connection, key: bytes, name: str, instead: str) -> None:
    """Enter a name; whoever was renamed to it before goes on to what is written instead."""
    connection.execute(delete(ForgottenRow).where(ForgottenRow.hash == hash_of(key, name)))
    earlier = update(ForgottenRow).where(ForgottenRow.instead == name)
    connection.execute(earlier.values(instead=instead))
    row: Mapping[str, str | int] = {
        "hash": hash_of(key, name),
        "instead": instead,
        "words": words_in(name),
        "key": fingerprint(key),
    }
    connection.execute(insert(ForgottenRow).values(**row))
