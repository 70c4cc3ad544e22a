"""Statements, run one by one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Engine, text


def run(engine: Engine, *statements: str) -> None:
    """Run statements and commit."""
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def scalar(engine: Engine, statement: str) -> Any:
    """Return the one value that a statement gives."""
    with engine.connect() as connection:
        return connection.scalar(text(statement))


def url_of(url: URL) -> str:
    """Return the whole URL as text."""
    return url.render_as_string(hide_password=False)
