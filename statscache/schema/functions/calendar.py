"""The functions that give the periods of a time zone, as `statscache.query.periods` has them, for who asks with SQL."""

from __future__ import annotations

from statscache.schema.objects import Definition, Variant, in_quotes, quoted

#: How many seconds the clocks of a zone are ahead of UTC at a second since 1970.
OFFSET = (
    "extract(epoch FROM (to_timestamp({0}) AT TIME ZONE $3) - (to_timestamp({0}) AT TIME ZONE 'UTC'))::bigint"
)
CHANGE = f"""
DECLARE
    low bigint := $1;
    high bigint := $2;
    middle bigint;
    ahead bigint := {OFFSET.format("$1")};
BEGIN
    WHILE high - low > 1 LOOP
        middle := (low + high) / 2;
        IF {OFFSET.format("middle")} = ahead THEN
            low := middle;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    RETURN high;
END"""
#: A day after the other is looked at, in which the clocks change once at most; or a date after the other, around whose
#: midnight they do. What begins before they change begins by the clocks before.
STARTS = f"""
DECLARE
    unit bigint := CASE $4 WHEN 'minute' THEN 60 WHEN 'hour' THEN 3600 END;
    step interval := CASE $4 WHEN 'day' THEN '1 day' WHEN 'week' THEN '7 days' WHEN 'month' THEN '1 month'
        WHEN 'quarter' THEN '3 months' WHEN 'year' THEN '1 year' END;
    low bigint;
    high bigint;
    ahead bigint;
    after bigint;
    change bigint;
    midnight bigint;
BEGIN
    IF unit IS NULL AND step IS NULL THEN
        RAISE EXCEPTION 'step must be minute, hour, day, week, month, quarter or year, not %', $4
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF unit IS NOT NULL THEN
        FOR low IN SELECT generate_series($1 - 86400, $2 + 86400, 86400) LOOP
            high := low + 86400;
            ahead := {OFFSET.format("low")};
            after := {OFFSET.format("high")};
            change := CASE WHEN ahead = after THEN high ELSE {{change}}(low, high, $3) END;
            RETURN QUERY SELECT generate_series(low + (unit - (low + ahead) % unit) % unit, change - 1, unit);
            IF ahead <> after THEN
                IF (change + after) / unit > (change - 1 + ahead) / unit THEN
                    RETURN NEXT change;
                END IF;
                RETURN QUERY
                    SELECT generate_series(change + (unit - (change + after) % unit) % unit, high - 1, unit);
            END IF;
        END LOOP;
        RETURN;
    END IF;
    FOR midnight IN SELECT extract(epoch FROM date)::bigint FROM generate_series(
        date_trunc($4, to_timestamp($1) AT TIME ZONE $3) - step, (to_timestamp($2) AT TIME ZONE $3) + 2 * step, step
    ) AS date LOOP
        low := midnight - {OFFSET.format("midnight")} - 86400;
        high := low + 172800;
        ahead := {OFFSET.format("low")};
        after := {OFFSET.format("high")};
        IF ahead = after THEN
            RETURN NEXT midnight - ahead;
        ELSE
            change := {{change}}(low, high, $3);
            RETURN NEXT CASE WHEN midnight - ahead < change THEN midnight - ahead
                ELSE greatest(change, midnight - after) END;
        END IF;
    END LOOP;
END"""
PERIODS = """
BEGIN
    IF $1 IS NULL OR $2 IS NULL OR $4 IS NULL OR $1 >= $2 THEN
        RETURN;
    END IF;
    IF $1 < to_timestamp(0) OR $2 > timestamptz '9999-01-01 00:00:00+00' THEN
        RAISE EXCEPTION 'periods are those from 1970 to 9998: ask for a time in between with start and stop'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN QUERY SELECT to_timestamp(period.first), to_timestamp(period.last) FROM (
        SELECT each.second AS first, lead(each.second) OVER (ORDER BY each.second) AS last FROM (
            SELECT DISTINCT starts.second FROM {starts}(
                floor(extract(epoch FROM $1))::bigint, ceil(extract(epoch FROM $2))::bigint, $4, $3
            ) AS starts (second)) AS each
    ) AS period
    WHERE to_timestamp(period.last) > $1 AND to_timestamp(period.first) < $2 ORDER BY period.first;
END"""
#: What the functions of a table ask, which also refuses what its windows do not make up, and keys that it has not.
OF_TABLE = """
DECLARE
    first timestamptz := $2;
BEGIN
    IF NOT coalesce($9, '{}') <@ $8 THEN
        RAISE EXCEPTION 'by must name keys of %, which are %, and not %', $1, $8, $9
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF $2 >= $3 OR $2 IS NULL OR $3 IS NULL THEN
        RETURN;
    END IF;
    IF $4 IS NULL THEN
        begins := date_bin($6, greatest($2, to_timestamp(0)), $7);
        ends := date_bin($6, $3 - interval '1 microsecond', $7) + $6;
        RETURN NEXT;
        RETURN;
    END IF;
    IF $10 THEN
        SELECT greatest(min(each.begins) - interval '1 second', to_timestamp(0)) INTO first
        FROM {periods}($2, $2 + interval '1 microsecond', $4, $5) AS each;
    END IF;
    FOR begins, ends IN SELECT each.begins, each.ends FROM {periods}(first, $3, $4, $5) AS each LOOP
        IF date_bin($6, begins, $7) <> begins OR date_bin($6, ends, $7) <> ends THEN
            RAISE EXCEPTION 'the windows of %, of % in UTC, do not make up each % of %: ask a table of the same '
                'statistic that has shorter windows, or leave out the zone', $1, $6, $4, $5
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
        RETURN NEXT;
    END LOOP;
END"""
#: The names of the functions: of the periods, of those of a table, and of what these are made with.
OF_ALL, OF_ONE = "statscache_periods", "statscache_periods_of"
OF_STARTS, OF_CHANGE = "statscache_period_starts", "statscache_clock_change"
#: The arguments and the answers of each.
RANGE = "start timestamptz, stop timestamptz, step text"
SIGNATURES = {
    OF_CHANGE: ("(low bigint, high bigint, zone text)", "bigint"),
    OF_STARTS: ("(first bigint, last bigint, zone text, step text)", "SETOF bigint"),
    OF_ALL: (f"({RANGE}, zone text DEFAULT 'UTC')", "TABLE (begins timestamptz, ends timestamptz)"),
    OF_ONE: (
        f"(name text, {RANGE}, zone text, length interval, origin timestamptz, keys text[], by text[], before boolean)",
        "TABLE (begins timestamptz, ends timestamptz)",
    ),
}
PERIODS_ABOUT = (
    "the whole minutes, hours, days, ISO weeks, months, quarters or years of a time zone that have a part of the time "
    "from start to before stop; a day begins at the first instant that bears its date"
)


def definitions(home: str) -> list[Definition]:
    """Return the functions, each after those that it calls.

    :param home: the schema of statscache's own views and functions
    """
    named = {name: f"{quoted(home)}.{name}" for name in SIGNATURES}
    bodies = {
        OF_CHANGE: (CHANGE, "the second at which the clocks of a zone change"),
        OF_STARTS: (
            STARTS.replace("{change}", named[OF_CHANGE]),
            "the seconds at which periods of a zone begin",
        ),
        OF_ALL: (PERIODS.replace("{starts}", named[OF_STARTS]), PERIODS_ABOUT),
        OF_ONE: (
            OF_TABLE.replace("{periods}", named[OF_ALL]),
            "the same for a table, whose windows must make them up",
        ),
    }
    return [
        Definition("FUNCTION", home, name, [_variant(*SIGNATURES[name], *its)])
        for name, its in bodies.items()
    ]


def _variant(arguments: str, returns: str, body: str, about: str) -> Variant:
    text = f"{arguments} RETURNS {returns} LANGUAGE plpgsql STABLE PARALLEL SAFE AS {in_quotes(body)}"
    return Variant(text, about, arguments.replace(" DEFAULT 'UTC'", ""))
