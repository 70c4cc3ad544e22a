"""What hangs on a table by its OID, and the statements that make it anew on the table that takes its name.

Views and functions are replaced in place, so that their own rights, comments, owners and dependents stay. All of it is
read, and run, with an empty `search_path`, so that each name says which schema it is in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from statscache.schema.removal_triggers import TRIGGERS

#: What depends on a table, or on a part of it, and is no part of it; and whether it does so by the type of its rows.
DEPENDENTS = """
WITH its AS (SELECT oid, reltype, reltoastrelid FROM pg_class WHERE oid = CAST(:oid AS oid)),
parts (class, object, is_type) AS (
    SELECT 'pg_class'::regclass::oid, oid, false FROM its
    UNION ALL SELECT 'pg_class'::regclass, indexrelid, false FROM pg_index JOIN its ON indrelid = oid
    UNION ALL SELECT 'pg_constraint'::regclass, c.oid, false FROM pg_constraint AS c JOIN its ON conrelid = its.oid
    UNION ALL SELECT 'pg_type'::regclass, t.oid, true FROM pg_type AS t JOIN its ON reltype IN (t.oid, t.typelem)
),
own (class, object) AS (
    SELECT class, object FROM parts
    UNION ALL SELECT 'pg_class'::regclass, reltoastrelid FROM its
    UNION ALL SELECT 'pg_attrdef'::regclass, d.oid FROM pg_attrdef AS d JOIN its ON adrelid = its.oid
    UNION ALL SELECT 'pg_trigger'::regclass, t.oid FROM pg_trigger AS t
        JOIN its ON tgrelid = its.oid OR (tgisinternal AND tgconstrrelid = its.oid)
    UNION ALL SELECT 'pg_statistic_ext'::regclass, s.oid FROM pg_statistic_ext AS s JOIN its ON stxrelid = its.oid
    UNION ALL SELECT 'pg_policy'::regclass, p.oid FROM pg_policy AS p JOIN its ON polrelid = its.oid
    UNION ALL SELECT 'pg_publication_rel'::regclass, p.oid FROM pg_publication_rel AS p JOIN its ON prrelid = its.oid
    UNION ALL SELECT 'pg_rewrite'::regclass, r.oid FROM pg_rewrite AS r JOIN its ON ev_class = its.oid
),
dependents AS (
    SELECT classid, objid, bool_or(is_type) AS by_type
    FROM pg_depend JOIN parts ON refclassid = class AND refobjid = object
    WHERE NOT EXISTS (SELECT FROM own WHERE class = classid AND object = objid) GROUP BY classid, objid
),
views AS (
    SELECT objid, ev_class FROM dependents JOIN pg_rewrite AS r ON classid = 'pg_rewrite'::regclass AND r.oid = objid
    JOIN pg_class AS c ON c.oid = ev_class AND relkind = 'v' WHERE rulename = '_RETURN' AND NOT by_type
),
functions AS (
    SELECT objid FROM dependents JOIN pg_proc AS p ON classid = 'pg_proc'::regclass AND p.oid = objid
    WHERE prosqlbody IS NOT NULL AND prokind IN ('f', 'p') AND NOT by_type
)"""
NAMED = """CASE WHEN classid = 'pg_rewrite'::regclass THEN (
    SELECT pg_describe_object('pg_class'::regclass, ev_class, 0) FROM pg_rewrite WHERE oid = objid
) ELSE pg_describe_object(classid, objid, 0) END"""
#: What still depends on a table.
LEFT = text(f"{DEPENDENTS} SELECT DISTINCT {NAMED} FROM dependents ORDER BY 1")
#: What of that cannot be made anew.
LASTING = text(
    f"{DEPENDENTS} SELECT DISTINCT {NAMED} FROM dependents WHERE "
    "(classid <> 'pg_rewrite'::regclass OR objid NOT IN (SELECT objid FROM views)) AND "
    "(classid <> 'pg_proc'::regclass OR objid NOT IN (SELECT objid FROM functions)) ORDER BY 1"
)
VIEWS_AND_FUNCTIONS = text(rf"""{DEPENDENTS}
SELECT format('CREATE OR REPLACE VIEW %I.%I%s AS %s', nspname, relname,
    ' WITH (' || array_to_string(reloptions, ', ') || ')', rtrim(pg_get_viewdef(c.oid), ';'))
FROM views JOIN pg_class AS c ON c.oid = ev_class JOIN pg_namespace AS n ON n.oid = relnamespace
UNION ALL SELECT pg_get_functiondef(objid) FROM functions
""")
TABLE = "SELECT format('%I.%I', nspname, relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace"
TABLE = f"({TABLE} WHERE c.oid = CAST(:oid AS oid))"
THEIRS = "tgrelid = CAST(:oid AS oid) AND NOT tgisinternal AND tgname <> ALL (CAST(:own AS text[]))"
TRIGGERS_GO = text(f"SELECT format('DROP TRIGGER %I ON %s', tgname, {TABLE}) FROM pg_trigger WHERE {THEIRS}")
TRIGGERS_COME = text(f"""
SELECT unnest(array_remove(ARRAY[
    pg_get_triggerdef(oid),
    CASE WHEN tgenabled <> 'O' THEN format('ALTER TABLE %s %s TRIGGER %I', {TABLE}, CASE tgenabled
        WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, tgname) END,
    format('COMMENT ON TRIGGER %I ON %s IS %L', tgname, {TABLE}, obj_description(oid, 'pg_trigger'))
], NULL)) FROM pg_trigger WHERE {THEIRS}
""")
POLICIES = text(f"""
SELECT unnest(array_remove(ARRAY[
    format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', polname, {TABLE},
        CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
        CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
            ELSE 'ALL' END,
        (SELECT string_agg(CASE WHEN role = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(role)) END, ', ')
            FROM unnest(polroles) AS role))
        || coalesce(' USING (' || pg_get_expr(polqual, polrelid) || ')', '')
        || coalesce(' WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')', ''),
    format('COMMENT ON POLICY %I ON %s IS %L', polname, {TABLE}, obj_description(oid, 'pg_policy'))
], NULL)) FROM pg_policy WHERE polrelid = CAST(:oid AS oid)
UNION ALL SELECT format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', {TABLE})
FROM pg_class WHERE oid = CAST(:oid AS oid) AND relrowsecurity
UNION ALL SELECT format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', {TABLE})
FROM pg_class WHERE oid = CAST(:oid AS oid) AND relforcerowsecurity
""")
#: Columns and conditions are known from PostgreSQL 15 on.
PUBLISHED = """pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = prpubid CROSS JOIN LATERAL to_jsonb(r) AS its
WHERE prrelid = CAST(:oid AS oid)"""
PUBLICATIONS_GO = text(
    f"SELECT format('ALTER PUBLICATION %I DROP TABLE %s', pubname, {TABLE}) FROM {PUBLISHED}"
)
PUBLICATIONS_COME = text(f"""
SELECT format('ALTER PUBLICATION %I ADD TABLE %s', pubname, {TABLE}) || coalesce((
        SELECT ' (' || string_agg(quote_ident(attname), ', ' ORDER BY attnum) || ')' FROM pg_attribute
        WHERE attrelid = prrelid AND attnum > 0 AND its -> 'prattrs' @> to_jsonb(attnum)), '')
    || coalesce((SELECT ' WHERE (' || (to_jsonb(t) ->> 'rowfilter') || ')' FROM pg_publication_tables AS t
        WHERE t.pubname = p.pubname AND format('%I.%I', schemaname, tablename) = {TABLE}), '')
FROM {PUBLISHED}
""")
ROLE = "CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END"
#: Gives rights on a table that has just been made, which has those that are given by default, as they are on another.
RIGHTS = text(f"""
WITH made AS (SELECT relowner, relacl FROM pg_class WHERE oid = CAST(:oid AS oid)),
before AS (SELECT relowner, relacl FROM pg_class WHERE oid = CAST(:before AS oid)),
given AS (
    SELECT NULL AS attname, coalesce(before.relacl, acldefault('r', before.relowner)) AS acl FROM before, made
    WHERE before.relacl IS NOT NULL OR made.relacl IS NOT NULL
    UNION ALL SELECT attname, attacl FROM pg_attribute WHERE attrelid = CAST(:before AS oid) AND attacl IS NOT NULL
)
SELECT statement FROM (
    SELECT DISTINCT 1 AS place, format('REVOKE ALL ON %s FROM %s', {TABLE}, {ROLE}) AS statement
    FROM made, aclexplode(coalesce(relacl, acldefault('r', relowner)))
    WHERE EXISTS (SELECT FROM given WHERE attname IS NULL)
    UNION ALL SELECT 2, format('GRANT %s%s ON %s TO %s%s', privilege_type, ' (' || quote_ident(attname) || ')', {TABLE},
        {ROLE}, CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END)
    FROM given, aclexplode(acl)
) AS each ORDER BY place
""")


@dataclass(frozen=True)
class Hanging:
    """What hangs on a table.

    :param go: what takes from the table, while it has its name, what cannot be on both
    :param come: what makes all of it on the table that has the name then
    """

    go: Sequence[str]
    come: Sequence[str]


def hanging(connection: Connection, oid: int) -> Hanging:
    """Return what hangs on a table and can be made anew; the `search_path` is empty."""
    its = {"oid": oid, "own": list(TRIGGERS)}
    go, come = (TRIGGERS_GO, PUBLICATIONS_GO), (POLICIES, TRIGGERS_COME, PUBLICATIONS_COME)
    return Hanging(
        [statement for query in go for statement in connection.scalars(query, its)],
        [statement for query in (*come, VIEWS_AND_FUNCTIONS) for statement in connection.scalars(query, its)],
    )


def rights(connection: Connection, oid: int, before: int) -> Sequence[str]:
    """Return what gives rights on a table as they are on another; the `search_path` is empty."""
    return list(connection.scalars(RIGHTS, {"oid": oid, "before": before}))


def left_on(connection: Connection, oid: int) -> Sequence[str]:
    """Return what depends on a table, by what PostgreSQL calls it."""
    return list(connection.scalars(LEFT, {"oid": oid}))


def lasting_on(connection: Connection, oid: int) -> Sequence[str]:
    """Return what depends on a table and cannot be made anew, by what PostgreSQL calls it."""
    return list(connection.scalars(LASTING, {"oid": oid}))
