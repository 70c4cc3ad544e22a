"""The rights of a role that may read what was counted, and change nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from statscache.database.lock import counting
from statscache.database.trouble import DENIED, first_line, is_database_trouble, state_of
from statscache.errors import StatscacheError
from statscache.schema.objects import quoted

#: What nobody needs for reading figures: whole messages, with all that is in them, and the daemons' bookkeeping.
PRIVATE = (
    "statscache_quarantine",
    "statscache_quarantine_body",
    "statscache_ledger",
    "statscache_plugin_set",
    "statscache_spool",
    "statscache_database",
    "statscache_relation",
    "statscache_bus",
    "statscache_heard",
    "statscache_consumer",
    "statscache_kept_back",
    "statscache_forgotten",
)
#: Tables of statscache's own that describe the figures, or what happened meanwhile.
PUBLIC = (
    "statscache_plugin",
    "statscache_coverage",
    "statscache_gap",
    "statscache_suspension",
    "statscache_removed",
    "statscache_freshness",
    "statscache_note",
    "statscache_bot",
    "statscache_verification",
    "statscache_version",
    "statscache_schema",
    "statscache_not_kept",
    "statscache_remade",
)
#: The tables there are of some, as SQL names them.
PRESENT = text(
    "SELECT format('%I.%I', nspname, relname), nspname, pg_get_userbyid(relowner) "
    "FROM unnest(CAST(:names AS text[])) AS name "
    "JOIN pg_class AS c ON c.oid = to_regclass(name) JOIN pg_namespace AS n ON n.oid = relnamespace ORDER BY 1"
)
WRITTEN = text("SELECT DISTINCT unnest(tables) FROM statscache_plugin")
#: Where this is, and whether the role is there.
PLACE = text(
    "SELECT current_database(), current_schema(), EXISTS (SELECT FROM pg_roles WHERE rolname = :role)"
)
CONNECTS = text("SELECT has_database_privilege(:role, current_database(), 'CONNECT')")
USES = text("SELECT has_schema_privilege(:role, :schema, 'USAGE')")
#: The tables on which the role has any of some rights.
ALLOWED = text(
    "SELECT name FROM unnest(CAST(:names AS text[])) AS name "
    "WHERE has_table_privilege(:role, name, :rights) ORDER BY 1"
)
CREATES = text("SELECT has_schema_privilege(:role, :schema, 'CREATE')")
#: What stands for everybody where a role's name is asked for.
EVERYBODY = "public"


@dataclass(frozen=True)
class Grants:
    """What lets a role read.

    :param role: its name; it is made, without a login, where there is none
    :param owners: the roles that make the tables: of these the future ones can be read, too
    :param tables: what is to be read, as SQL names it
    :param private: what is not
    :param schemas: where these are
    :param made: whether the role is there
    :param let_in: whether it may connect to the database already
    :param shut: the schemas that it may not use yet
    """

    role: str
    owners: Sequence[str]
    database: str
    tables: Sequence[str]
    private: Sequence[str]
    schemas: Sequence[str]
    made: bool
    let_in: bool
    shut: Sequence[str]

    def statements(self) -> Iterator[str]:
        """Yield the statements; to run them again changes nothing."""
        role = quoted(self.role)
        if not self.made:
            yield f"CREATE ROLE {role} NOLOGIN"
        if not self.let_in:
            yield f"GRANT CONNECT ON DATABASE {quoted(self.database)} TO {role}"
        for schema in self.shut:
            yield f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {role}"
        yield f"GRANT SELECT ON {', '.join(self.tables)} TO {role}"
        yield f"REVOKE ALL ON {', '.join(self.private)} FROM {role}"
        for owner, schema in product(self.owners, self.schemas):
            yield (
                f"ALTER DEFAULT PRIVILEGES FOR ROLE {quoted(owner)} IN SCHEMA {quoted(schema)} "
                f"GRANT SELECT ON TABLES TO {role}"
            )


def grants_for(connection: Connection, role: str, declared: Collection[str]) -> Grants:
    """Return what lets a role read.

    :param declared: the tables of the plugins that are installed
    :raises StatscacheError: if there are no tables yet, or the role is the one that writes them
    """
    database, schema, made = connection.execute(PLACE, {"role": role}).one()
    private = _present(connection, PRIVATE)
    if len(private) < len(PRIVATE):
        raise StatscacheError(
            "statscache's own tables do not exist yet, and the role could read all that are created later: "
            "start the daemon once, then run this again"
        )
    tables = _present(connection, {*PUBLIC, *declared, *connection.scalars(WRITTEN)} - set(PRIVATE))
    owners = sorted({owner for _, owner in (*tables.values(), *private.values())})
    if role in owners:
        raise StatscacheError(f"{role} is the role with which statscache writes: name another")
    schemas = sorted({schema, *(its for its, _ in tables.values())})
    who = role if made else EVERYBODY
    shut = [name for name in schemas if not connection.scalar(USES, {"role": who, "schema": name})]
    let_in = bool(connection.scalar(CONNECTS, {"role": who}))
    return Grants(role, owners, database, list(tables), list(private), schemas, made, let_in, shut)


def grant(engine: Engine, grants: Grants) -> list[str]:
    """Give a role its rights, all or none, and return what it may do beyond these, a sentence for each.

    :raises StatscacheError: if that is not allowed, or the name is not one for a role
    """
    with counting(engine) as connection:
        for statement in grants.statements():
            _run(connection, grants.role, statement)
        return list(_excess(connection, grants))


def _run(connection: Connection, role: str, statement: str) -> None:
    try:
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    except DBAPIError as error:
        if is_database_trouble(error):
            raise
        what = " ".join(statement.split()[:2])
        advice = "choose another name"
        if state_of(error) == DENIED:
            advice = f"let an administrator of the database run what `statscache grant {role} --sql` prints"
        raise StatscacheError(f"{what} was refused ({first_line(error)}): {advice}") from error


def _excess(connection: Connection, grants: Grants) -> Iterator[str]:
    """Yield what the role may do beyond reading figures, whoever has let it."""
    for table in _allowed(connection, grants.role, grants.tables, "INSERT, UPDATE, DELETE, TRUNCATE"):
        yield f"{grants.role} may also write {table}: \\dp {table} in psql shows who granted that"
    for table in _allowed(connection, grants.role, grants.private, "SELECT"):
        yield f"{grants.role} may also read {table}: \\dp {table} in psql, or its memberships, show who granted that"
    for schema in grants.schemas:
        if connection.scalar(CREATES, {"role": grants.role, "schema": schema}):
            yield (
                f"{grants.role} may also create tables in the schema {schema}: if everybody may, "
                f"REVOKE CREATE ON SCHEMA {quoted(schema)} FROM PUBLIC ends it"
            )


def _allowed(connection: Connection, role: str, tables: Sequence[str], rights: str) -> Iterable[str]:
    """Return those of the tables on which the role has any of the rights."""
    return connection.scalars(ALLOWED, {"role": role, "names": list(tables), "rights": rights})


def _present(connection: Connection, names: Collection[str]) -> dict[str, tuple[str, str]]:
    """Return the schema and the owner of each table that is there, by its name in SQL."""
    plain = [".".join(quoted(part) for part in name.split(".")) for name in names]
    found = connection.execute(PRESENT, {"names": plain})
    return {name: (schema, owner) for name, schema, owner in found}
