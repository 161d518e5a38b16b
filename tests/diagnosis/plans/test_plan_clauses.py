"""Of a plan's conditions it is told which an index on the column could serve, and why not."""

from __future__ import annotations

import pytest

from keiko_perf.diagnosis.plans.clauses import Reason, clauses

PLAIN, FUNCTION, CAST = Reason.PLAIN, Reason.FUNCTION, Reason.CAST
PATTERN, OR_ACROSS, OTHER = Reason.PATTERN, Reason.OR_ACROSS, Reason.OTHER
SUBPLAN = Reason.SUBPLAN


@pytest.mark.parametrize(
    ("condition", "reasons"),
    [
        ("(tenant = 7)", [PLAIN]),
        ("active", [PLAIN]),
        ("(NOT active)", [PLAIN]),
        ("(shipped_at IS NULL)", [PLAIN]),
        ("(created_at > (now() - '7 days'::interval))", [PLAIN]),
        ("((status)::text = 'open'::text)", [PLAIN]),  # a varchar: nothing is converted
        ("((name)::text ~~ 'ab%'::text)", [PLAIN]),
        ("(name ~ '^ab'::text)", [PLAIN]),
        ("(kind = ANY ('{a,b}'::text[]))", [PLAIN]),
        ("(tags @> '{a}'::text[])", [PLAIN]),
        ("(x = (InitPlan 1).col1)", [PLAIN]),
        ("(a.ts >= $0)", [PLAIN]),
        ("((tenant = 7) AND (lower(email) = 'x'::text))", [PLAIN, FUNCTION]),
        ("(lower((email)::text) = 'x'::text)", [FUNCTION]),
        ("(EXTRACT(year FROM o.created_at) = '2024'::numeric)", [FUNCTION]),
        ("((data ->> 'k'::text) = 'v'::text)", [FUNCTION]),
        ("((a + 1) > 5)", [FUNCTION]),
        ("(COALESCE(x, 0) = 5)", [FUNCTION]),
        ("((created_at)::date = '2024-01-01'::date)", [CAST]),
        ("((id)::numeric = 5.0)", [CAST]),
        ("((id)::text = '123'::text)", [CAST]),
        ("((id)::text = ANY ('{123,456}'::text[]))", [CAST]),
        ("((id)::text ~~ '123%'::text)", [CAST]),
        ("(payload ~~ '%y%'::text)", [PATTERN]),
        ("((serial)::text ~~ '%0777'::text)", [PATTERN]),
        ("(payload ~~* '_y'::text)", [PATTERN]),
        ("(payload ~ 'y'::text)", [PATTERN]),
        ("(payload ~~ ANY ('{%ab%,cd%}'::text[]))", [PATTERN]),  # an index would serve one arm
        ("(payload ~~ ANY ('{ab%,cd%}'::text[]))", [PLAIN]),
        ("(to_tsvector('simple'::regconfig, body) @@ '''word'''::tsquery)", [FUNCTION]),
        ("(search @@ '''word'''::tsquery)", [PLAIN]),
        ("((body -> 'tags'::text) @> '[1]'::jsonb)", [FUNCTION]),
        ("((title ~~* '%z%'::text) OR (state ~~* '%z%'::text))", [PATTERN]),
        ("((lower(a) = 'x'::text) OR (b = 2))", [FUNCTION]),  # what serves b does not spare a
        ("(((a = 1) AND (lower(b) = 'x'::text)) OR (c = 2))", [OTHER]),  # a and c have indexes
        ("((a.x = 1) OR (b.y = 2))", [OR_ACROSS]),
        ("((b.id = a.x) OR (b.id = a.y))", [OR_ACROSS]),
        ("((x = 1) OR (hashed SubPlan 1))", [OR_ACROSS]),
        ("((x = 1) OR (ANY (id = (hashed SubPlan 1).col1)))", [OR_ACROSS]),
        ("((c.vip) OR EXISTS(SubPlan 2))", [OR_ACROSS]),
        ("((x = 1) OR (y = 2))", [OTHER]),
        ("(id <> 5)", [OTHER]),
        ("EXISTS(SubPlan 1)", [SUBPLAN]),
        ("((SubPlan 1) > 5)", [SUBPLAN]),
        ("(NOT (hashed SubPlan 1))", [SUBPLAN]),
        ("(payload ~~ $1)", [OTHER]),  # nobody knows what it begins with
        ("nothing that (can be read", []),
        ("(a = 1) AND " * 3000 + "(a = 1)", []),  # longer than is looked into
    ],
)
def test_why_an_index_cannot_serve_a_clause(condition: str, reasons: list[Reason]) -> None:
    assert [one.reason for one in clauses(condition)] == reasons


def test_other_tables_columns_are_values_to_the_one_that_is_read() -> None:
    (clause,) = clauses("(lower(t.email) = a.email)", "t")
    assert (clause.reason, clause.column) == (FUNCTION, "email")
    (clause,) = clauses("(t.x = lower(a.email))", "t")
    assert (clause.reason, clause.column) == (PLAIN, "x")
    (clause,) = clauses("(\"T x\".y ~~ '%a.b%'::text)", "T x")
    assert (clause.reason, clause.column) == (PATTERN, "y")
