"""Views and functions in the database, made anew where they are not as this version wants them.

Each carries a hash of its definition in its comment. They are replaced in place where that can be, so that rights and
what others have built on them stay.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import DBAPIError

from statscache.database.trouble import first_line, is_database_trouble, is_locked_out

log = logging.getLogger(__name__)

#: How long who uses a view is waited for, while nobody can count; then it stays as it is until the next start.
PATIENCE = "SET LOCAL lock_timeout = '1s'"
MARK = re.compile(r"\(definition [0-9a-f]{12}\)$")
FOUND = text(
    "SELECT 'VIEW', nspname, relname, format('VIEW %I.%I', nspname, relname), obj_description(c.oid, 'pg_class') "
    "FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace WHERE relname = ANY (:names) "
    "AND relkind = 'v' UNION ALL SELECT 'FUNCTION', nspname, proname, "
    "format('FUNCTION %I.%I(%s)', nspname, proname, pg_get_function_identity_arguments(p.oid)), "
    "obj_description(p.oid, 'pg_proc') "
    "FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = pronamespace WHERE proname = ANY (:names)"
)


@dataclass(frozen=True)
class Variant:
    """One view, or one of the functions that share a name.

    :param definition: what follows the name in its CREATE
    :param about: its comment, without the hash
    :param arguments: a function's arguments by name and type, as in ``(start timestamptz)``; empty for a view
    :param columns: comments for a view's columns
    :param private: whether a function is not for everybody to use
    """

    definition: str
    about: str
    arguments: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    private: bool = False

    @property
    def comment(self) -> str:
        """The comment with the hash of all of it."""
        whole = repr((self.definition, self.about, self.arguments, dict(self.columns)))
        return marked(self.about, whole)


@dataclass(frozen=True)
class Definition:
    """A view, or all functions of one name.

    :param kind: ``VIEW`` or ``FUNCTION``
    :param schema: where it is
    """

    kind: str
    schema: str
    name: str
    variants: Sequence[Variant]

    @property
    def statements(self) -> list[str]:
        """What makes it, or takes the place of what is there."""
        return [statement for variant in self.variants for statement in self._statements(variant)]

    def _statements(self, variant: Variant) -> list[str]:
        name = f"{quoted(self.schema)}.{quoted(self.name)}"
        made = [
            f"CREATE OR REPLACE {self.kind} {name}{variant.definition}",
            f"COMMENT ON {self.kind} {name}{variant.arguments} IS {in_quotes(variant.comment)}",
        ]
        if variant.private:
            made.append(f"REVOKE ALL ON {self.kind} {name}{variant.arguments} FROM PUBLIC")
        columns = variant.columns.items()
        return made + [
            f"COMMENT ON COLUMN {name}.{quoted(column)} IS {in_quotes(about)}" for column, about in columns
        ]


#: What is in the database under one name: how a DROP names each, and its comment.
There = Mapping[str, str | None]


def see_to(connection: Connection, definitions: Collection[Definition]) -> None:
    """Create or replace what is not there as it should be, and log what cannot be created.

    :param connection: holds the lock of `statscache.database.lock.counting`
    :raises DBAPIError: if the database fails
    """
    connection.exec_driver_sql(PATIENCE)
    found = _found(connection, definitions)
    lacking = [d for d in definitions if not _is_right(d, found[_key(d)])]
    if not any(found[_key(d)] for d in lacking) and tried(connection, _all(lacking)) is None:
        return  # none of it was there, as at a first start
    for definition in lacking:
        _replace(connection, definition, found[_key(definition)])


def _replace(connection: Connection, definition: Definition, there: There) -> None:
    """Make one definition, in place if that can be."""
    alien = [target for target, comment in there.items() if not MARK.search(comment or "")]
    if alien:
        log.error("%s has the name of one of statscache's own: rename or drop it and start again", alien[0])
        return
    comments = {variant.comment for variant in definition.variants}
    making = definition.statements
    error = tried(connection, making)
    if error is None:
        now = _found(connection, [definition])[_key(definition)]
        error = tried(connection, [f"DROP {target}" for target, c in now.items() if c not in comments])
    if error is not None:
        error = tried(connection, [*(f"DROP {target}" for target in there), *making])
    if error is not None:
        log.error(
            "the %s %s of this version of statscache cannot be created (%s): remove the cause and start again",
            definition.kind.lower(),
            definition.name,
            first_line(error),
        )


def tried(connection: Connection, statements: Sequence[str]) -> DBAPIError | None:
    """Run all of the statements or none, and return why not."""
    if not statements:
        return None
    try:
        with connection.begin_nested():
            connection.exec_driver_sql("; ".join(statements), execution_options={"no_parameters": True})
    except DBAPIError as error:
        if is_database_trouble(error) and not is_locked_out(error):
            raise
        return error
    return None


def _all(definitions: Collection[Definition]) -> list[str]:
    return [statement for definition in definitions for statement in definition.statements]


def _is_right(definition: Definition, there: There) -> bool:
    return set(there.values()) == {variant.comment for variant in definition.variants}


def _key(definition: Definition) -> tuple[str, str, str]:
    return definition.kind, definition.schema, definition.name


def _found(connection: Connection, definitions: Collection[Definition]) -> dict[tuple[str, str, str], There]:
    """Return what there is under each definition's name."""
    found: dict[tuple[str, str, str], dict[str, str | None]] = {_key(d): {} for d in definitions}
    names = sorted({definition.name for definition in definitions})
    for kind, schema, name, target, comment in connection.execute(FOUND, {"names": names}):
        if (kind, schema, name) in found:
            found[kind, schema, name][target] = comment
    return dict(found)


def quoted(name: str) -> str:
    """Return a name as an identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def in_quotes(value: str) -> str:
    """Return a text as a literal in SQL."""
    return "'" + value.replace("'", "''") + "'"


def marked(about: str, definition: str) -> str:
    """Return a comment with the hash of what it is on, by which a later start knows whether that is as it should be."""
    return f"{about} (definition {hashlib.sha256(definition.encode()).hexdigest()[:12]})"


def home_of(connection: Connection) -> str:
    """Return the schema in which statscache's own tables, views and functions are made."""
    return connection.scalar(select(func.current_schema())) or "public"
