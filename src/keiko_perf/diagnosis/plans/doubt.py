"""
Doubt: whether the catalog knows of a way in which a statement could do more than read.

A read-only transaction forbids writes, but not everything that outlives it: a session's advisory
lock, another server's session, a program that a foreign table runs, the end of somebody's
backend. So everything that a statement can reach is followed to its end: functions, also those
behind operators, casts, aggregates, domains, `row.function`, defaults of arguments, views and row
security policies. Volatile ones are a doubt. What a user wrote and called stable is read, too: a
word in it that is the name of something volatile is a doubt as well, wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from keiko_perf.diagnosis.failure import StatementFailed
from keiko_perf.diagnosis.plans.safety import Inspected, inspect
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.errors import StatementRefused
from keiko_perf.model import Message, say

_MOST = 500
"""Views, policies, domains and functions that are looked into for one statement."""
_MOST_CHARACTERS = 100_000
"""Of a function; a longer one is not read."""
_WORD = re.compile(r"[^\W\d][\w$]*")
_QUOTES = re.compile(r"\$functionx*\$")
"""What pg_get_functiondef puts around a body: a $ can also stand within a name."""
_OPERATOR = re.compile(r"[-+*/<>=~!@#%^&|`?]+")
_ACTING = (
    # They carry out the SQL that their argument names, whatever it calls.
    "table_to_xml", "table_to_xml_and_xmlschema", "schema_to_xml", "schema_to_xml_and_xmlschema",
    "database_to_xml", "database_to_xml_and_xmlschema",
    # They use up a transaction number.
    "txid_current", "pg_current_xact_id",
)  # fmt: skip
"""PostgreSQL's own functions that are not volatile by name, and yet do more than read."""
_TRUSTED = (
    "bloom", "btree_gin", "btree_gist", "citext", "cube", "earthdistance", "fuzzystrmatch", "h3",
    "hll", "hstore", "intarray", "ip4r", "isn", "lo", "ltree", "pg_trgm", "pgcrypto", "pgroonga",
    "plpgsql", "postgis", "postgis_raster", "prefix", "rum", "seg", "semver", "tdigest",
    "unaccent", "uuid-ossp", "vector",
)  # fmt: skip
"""Extensions whose stable functions in C are known to carry out nobody's SQL, as tablefunc's do."""


async def doubt(database: Database, inspected: Inspected) -> Message | None:
    """Why a statement is not executed; None if it provably only reads."""
    if inspected.why_not is not None:
        return inspected.why_not
    if inspected.parameters:
        return say("it has parameters, so there are no values to execute it with")
    try:
        return await _Search(database).doubt(inspected)
    except StatementFailed as error:
        if error.sqlstate != "XX000":  # something that another session just dropped
            raise
        return say("something that it reads is being changed")


@dataclass(frozen=True, slots=True)
class _Names:
    """What something may reach, by bare names, whatever their schema."""

    called: frozenset[str] = frozenset()
    """Functions that it calls for certain."""
    possible: frozenset[str] = frozenset()
    """Words that may be functions."""
    attributes: frozenset[str] = frozenset()
    """Words behind a dot: `row.f` calls the function `f(row)`."""
    operators: frozenset[str] = frozenset()
    relations: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Search:
    """Follows what a statement reaches, each thing once."""

    database: Database
    _seen: set[tuple[str, int]] = field(default_factory=set)
    _waiting: list[_Names] = field(default_factory=list)

    async def doubt(self, inspected: Inspected) -> Message | None:
        self._waiting.append(_names_of(inspected))
        # Reached without being named: casts, and the checks of domains.
        found = await self._routines(await self.database.rows(_UNNAMED, **_LIMITS))
        found = found or await self._definitions(await self.database.rows(_DOMAINS, **_LIMITS))
        while found is None and self._waiting:
            found = await self._look(self._waiting.pop())
        return found

    async def _look(self, names: _Names) -> Message | None:
        unknown = await self.database.value(_UNKNOWN, names=sorted(names.called))
        if unknown is not None:
            return say("it calls {name}, a function that is not known", name=unknown)
        routines = await self.database.rows(
            _ROUTINES,
            functions=sorted(names.called | names.possible),
            attributes=sorted(names.attributes),
            operators=sorted(names.operators),
            **_LIMITS,
        )
        found = await self._routines(routines)
        if found is not None or not names.relations:
            return found
        relations = sorted(names.relations)
        foreign = await self.database.value(_FOREIGN, names=relations)
        if foreign is not None:
            return say("it reads {name}, a foreign table", name=foreign)
        rows = await self.database.rows(_DEFINITIONS, names=relations, most=_MOST)
        return await self._definitions(rows)

    async def _routines(self, rows: list[dict[str, Any]]) -> Message | None:
        for row in self._new("function", rows):
            why = _why_not_called(row)
            if why is not None:
                return why
            if row["definition"] is not None:
                self._waiting.append(_words_of(row["definition"]))
        return self._too_many()

    async def _definitions(self, rows: list[dict[str, Any]]) -> Message | None:
        for row in self._new("definition", rows):
            try:
                inspected = inspect(row["definition"] or "")
            except StatementRefused:
                return say("a view or policy that it reads cannot be looked into")
            if inspected.why_not is not None:
                return say("a view that it reads could write or lock rows")
            self._waiting.append(_names_of(inspected))
        return self._too_many()

    def _new(self, kind: str, rows: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
        for row in rows:
            if (kind, row["oid"]) not in self._seen:
                self._seen.add((kind, row["oid"]))
                yield row

    def _too_many(self) -> Message | None:
        if len(self._seen) < _MOST:
            return None
        return say("it reaches too many views and functions to look into them all")


def _names_of(inspected: Inspected) -> _Names:
    return _Names(
        called=inspected.functions,
        attributes=inspected.attributes,
        operators=inspected.operators,
        relations=frozenset(name for _, name in inspected.relations),
    )


def _words_of(definition: str) -> _Names:
    """Every word of a function, in quotes or not, in a comment or not: rather too many."""
    definition = _QUOTES.sub(" ", definition)
    words = {word for one in _WORD.findall(definition) for word in (one, one.lower())}
    words.update(definition.split('"'))
    possible = frozenset(word for word in words if len(word.encode()) < 64)
    return _Names(
        possible=possible,
        operators=frozenset(_OPERATOR.findall(definition)),
        relations=possible,
    )


def _why_not_called(row: Mapping[str, Any]) -> Message | None:
    name, definition = row["name"], row["definition"]
    if row["is_volatile"]:
        if row["is_named"]:
            return say("it calls {name}, a volatile function", name=name)
        return say("it may call {name}, a volatile function, without naming it", name=name)
    if definition is None:  # PostgreSQL's own
        return say("it calls {name}, which does more than read", name=name)
    if row["language"] in ("c", "internal"):
        if row["is_immutable"] or row["extension"] in _TRUSTED:
            return None
        return say("it calls {name}, a function that cannot be looked into", name=name)
    is_readable = row["language"] in ("sql", "plpgsql") and len(definition) <= _MOST_CHARACTERS
    # What EXECUTE carries out, or hides behind an escape, is not to be read.
    hides = re.search(r"\bexecute\b|\bu&[\"']", definition, re.IGNORECASE)
    if not is_readable or hides:
        return say("it calls {name}, a function that cannot be looked into", name=name)
    return None


_LIMITS: dict[str, Any] = {"acting": list(_ACTING), "most": _MOST}

_UNKNOWN = """
SELECT wanted.name FROM unnest(CAST(:names AS text[])) AS wanted (name)
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.proname = wanted.name)
ORDER BY wanted.name LIMIT 1
"""

# An aggregate's parts are called with it, and of PostgreSQL's own functions only those matter that
# do more than read. What returns a trigger or is a procedure, no query can call.
_REACHED = """
, part AS (
    SELECT oid, is_named FROM wanted
    UNION
    SELECT unnest(ARRAY[
        a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
        a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn]::oid[]), false
    FROM wanted w JOIN pg_catalog.pg_aggregate a ON a.aggfnoid = w.oid
)
SELECT p.oid::bigint AS oid, whole.name, part.is_named, p.provolatile = 'v' AS is_volatile,
       p.provolatile = 'i' AS is_immutable, l.lanname::text AS language,
       (SELECT e.extname::text FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
        WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid
          AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e') AS extension,
       CASE WHEN p.oid >= 16384 THEN pg_catalog.pg_get_functiondef(p.oid) END AS definition
FROM part
JOIN pg_catalog.pg_proc p ON p.oid = part.oid
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
CROSS JOIN LATERAL (SELECT p.proname::text) AS whole (name)
WHERE p.prokind IN ('f', 'w') AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
  AND (p.oid >= 16384 OR p.provolatile = 'v'
       OR p.proname = ANY (CAST(:acting AS text[])))
ORDER BY p.provolatile = 'v' DESC, p.proname, p.oid
LIMIT :most
"""

# An operator can stand for its commutator and its negator. An attribute calls what can do with one
# argument. PostgreSQL's own operators call nothing that does more than read.
_ROUTINES = f"""
WITH wanted AS (
    SELECT p.oid, true AS is_named FROM pg_catalog.pg_proc p
    WHERE p.proname = ANY (CAST(:functions AS text[]))
    UNION
    SELECT p.oid, false FROM pg_catalog.pg_proc p
    WHERE p.proname = ANY (CAST(:attributes AS text[]))
      AND p.pronargs >= 1 AND p.pronargs - p.pronargdefaults <= 1
    UNION
    SELECT other.oprcode, false FROM pg_catalog.pg_operator o
    JOIN pg_catalog.pg_operator other ON other.oid IN (o.oid, o.oprcom, o.oprnegate)
    WHERE o.oprname = ANY (CAST(:operators AS text[])) AND other.oid >= 16384
)
{_REACHED}
"""  # noqa: S608

# Casts, ranges, and how own operator classes compare (in C it is an extension's business).
_UNNAMED = f"""
WITH wanted AS (
    SELECT c.castfunc AS oid, false AS is_named FROM pg_catalog.pg_cast c
    WHERE c.oid >= 16384 AND c.castfunc <> 0
    UNION
    SELECT unnest(ARRAY[r.rngcanonical, r.rngsubdiff]::oid[]), false FROM pg_catalog.pg_range r
    WHERE r.rngtypid >= 16384
    UNION
    SELECT a.amproc, false FROM pg_catalog.pg_amproc a
    JOIN pg_catalog.pg_proc p ON p.oid = a.amproc
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE a.oid >= 16384 AND l.lanname NOT IN ('c', 'internal')
)
{_REACHED}
"""  # noqa: S608

_DOMAINS = """
SELECT c.oid::bigint AS oid, 'SELECT ' || pg_catalog.pg_get_expr(c.conbin, 0) AS definition
FROM pg_catalog.pg_constraint c
WHERE c.contypid <> 0 AND c.conbin IS NOT NULL AND c.oid >= 16384
  AND CAST(:acting AS text[]) IS NOT NULL
LIMIT :most
"""

# A foreign table may run a program, and another server's view anything. It can also be a part of
# a table that is read.
_FOREIGN = """
WITH RECURSIVE tree AS (
    SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relname = ANY (CAST(:names AS text[]))
    UNION
    SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid
)
SELECT c.relname::text FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid
WHERE c.relkind = 'f' ORDER BY c.relname LIMIT 1
"""

# By name alone, whatever the schema: a view too many in doubt is better than one too few.
_DEFINITIONS = """
SELECT c.oid::bigint AS oid, pg_catalog.pg_get_viewdef(c.oid) AS definition
FROM pg_catalog.pg_class c
WHERE c.relname = ANY (CAST(:names AS text[])) AND c.relkind = 'v'
UNION ALL
SELECT p.oid::bigint,
       'SELECT ' || pg_catalog.pg_get_expr(p.polqual, p.polrelid)
FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
WHERE c.relname = ANY (CAST(:names AS text[])) AND c.relrowsecurity AND p.polqual IS NOT NULL
  AND p.polcmd IN ('r', '*')
LIMIT :most
"""
