from __future__ import annotations

import pytest

from keiko_perf.diagnosis.schema import Key, TableName
from keiko_perf.diagnosis.statements.parser import NotUnderstood
from keiko_perf.diagnosis.statements.predicates import Join, Shape, Use, Write
from keiko_perf.diagnosis.statements.reading import read
from keiko_perf.diagnosis.statements.scope import Tables

AGENTS = TableName("public", "agents")
TASKS = TableName("public", "tasks")
ORGS = TableName("billing", "orgs")
TABLES = Tables(
    columns={
        AGENTS: ("id", "name", "org_id", "active"),
        TASKS: ("id", "agent_id", "status", "created_at", "note"),
        ORGS: ("org_id", "plan"),
    }
)


def use_of(text: str, table: TableName = TASKS) -> Use:
    uses = [one for one in read(text, TABLES).uses if one.table == table]
    assert len(uses) == 1, uses
    return uses[0]


def filled(use: Use) -> dict[str, object]:
    """What a use says, without what it is silent about and what is said by the other tests."""
    silent = {"table", "alias", "columns", "reads_all", "selected"}
    silent |= {"fixed", "computed", "contained"}
    return {
        name: getattr(use, name)
        for name in use.__slots__
        if name not in silent and getattr(use, name)
    }


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("agent_id = $1 AND status = $2", {"equals": ("agent_id", "status")}),
        ("$1 = agent_id", {"equals": ("agent_id",)}),
        ("t.agent_id = $1::int", {"equals": ("agent_id",)}),
        ("public.tasks.agent_id = 1", None),  # the alias hides the table's own name
        ("agent_id IN ($1, $2)", {"listed": ("agent_id",)}),
        ("agent_id = ANY($1)", {"listed": ("agent_id",)}),
        ("created_at > $1 AND created_at <= $2", {"ranges": ("created_at",)}),
        ("$1 >= created_at", {"ranges": ("created_at",)}),
        ("created_at BETWEEN $1 AND $2", {"ranges": ("created_at",)}),
        ("created_at > now() - interval $1", {"ranges": ("created_at",)}),
        ("note IS NULL", {"nulls": ("note",), "constants": ("note IS NULL",)}),
        ("note IS NOT NULL", {"constants": ("note IS NOT NULL",)}),
        ("note LIKE 'ab%'", {"prefixes": ("note",), "constants": ("note LIKE 'ab%'",)}),
        ("note LIKE '%ab'", {}),  # begins with anything
        ("note LIKE $1", {}),  # nobody knows what it begins with
        ("note ILIKE 'ab%'", {}),
        ("note NOT LIKE 'ab%'", {}),
        ("status = 'open'", {"equals": ("status",), "constants": ("status = 'open'",)}),
        ("(agent_id, status) = ($1, $2)", {"equals": ("agent_id", "status")}),
        ("(created_at, id) < ($1, $2)", {"ranges": ("created_at",)}),
        ("agent_id = $1 OR status = $2", {"alternatives": ("agent_id", "status")}),
        ("agent_id <> $1", {}),
        ("status <> 'done'", {"constants": ("status <> 'done'",)}),
        ("agent_id NOT IN ($1)", {}),
        ("NOT (agent_id = $1)", {}),
        ("lower(note) = $1", {}),  # of an expression, not of the column
        ("status::text = $1", {}),
        ("agent_id = id", {}),  # known only once the row is read
        ("agent_id = id + $1", {}),
    ],
)  # fmt: skip
def test_what_a_where_asks_of_a_column(where: str, expected: dict[str, object] | None) -> None:
    shape = read(f"SELECT 1 FROM tasks t WHERE {where}", TABLES)
    if expected is None:
        assert shape.unresolved == ("public.tasks.agent_id",)
    else:
        assert filled(shape.uses[0]) == expected
        assert shape.unresolved == ()


@pytest.mark.parametrize(
    ("where", "fixed", "computed", "contained"),
    [
        ("t.status = 'open'", ["status = 'open'"], [], []),
        ("status IN ('a', 'b')", ["status IN ('a', 'b')"], [], []),
        ("status <> 'done'", ["status <> 'done'"], [], []),
        ("note IS NOT NULL", ["note IS NOT NULL"], [], []),
        ("created_at > '2024-01-01'", [], [], []),  # a day passes
        ("status = $1", [], [], []),
        ("lower(t.note) = $1", [], [("lower(note)", "equals")], []),
        ("lower(note) IN ('a', 'b')", [], [("lower(note)", "listed")], []),
        ("length(note) > 3", [], [("length(note)", "ranges")], []),
        ("coalesce(note, $1) = $2", [], [], []),  # nobody can make an index over a parameter
        ("status::text = $1", [], [], []),  # the column's own index serves it
        ("note LIKE '%x'", [], [], [("note", "~~", "note LIKE '%x'")]),
        ("t.note ILIKE $1", [], [], [("note", "~~*", "")]),
        ("note @> '{1}'", [], [], [("note", "@>", "note @> '{1}'")]),
        ("note ~ agent_id::text", [], [], []),
    ],
)  # fmt: skip
def test_what_other_kinds_of_index_could_serve(
    where: str, fixed: list[str], computed: list[tuple[str, str]], contained: list[tuple[str, ...]]
) -> None:
    use = use_of(f"SELECT 1 FROM tasks t WHERE {where}")
    assert [one.sql for one in use.fixed] == fixed
    assert [(one.sql, one.kind) for one in use.computed] == computed
    assert [(one.column, one.operator, one.sql) for one in use.contained] == contained


def test_a_view_is_read_as_the_tables_behind_it() -> None:
    view = TableName("public", "open_tasks")
    tables = Tables(
        columns=TABLES.columns,
        views={view: "SELECT t.id, t.agent_id AS who FROM public.tasks t WHERE t.status = 'open'"},
    )
    shape = read("SELECT o.id FROM open_tasks o WHERE o.who = $1 ORDER BY o.id", tables)
    (use,) = shape.uses
    assert use.table == TASKS
    assert set(use.equals) == {"status", "agent_id"}
    assert use.order_by == (Key("id"),)
    assert shape.unresolved == ()


def test_a_subquerys_columns_are_searched_through_it() -> None:
    use = use_of("SELECT 1 FROM (SELECT agent_id AS a, id FROM tasks) s WHERE s.a = $1 OR s.id = 2")
    assert use.alternatives == ("agent_id", "id")


@pytest.mark.parametrize(
    ("rest", "keys", "is_limited"),
    [
        ("ORDER BY created_at DESC LIMIT $1", (Key("created_at", descending=True),), True),
        ("ORDER BY created_at DESC NULLS LAST", (Key("created_at", True, False),), False),
        ("ORDER BY created_at NULLS FIRST", (Key("created_at", False, True),), False),
        ("ORDER BY created_at DESC NULLS FIRST", (Key("created_at", True),), False),
        ("ORDER BY 2, t.id DESC", (Key("status"), Key("id", True)), False),
        ("ORDER BY since", (Key("created_at"),), False),  # an output's name
        ("ORDER BY lower(note), id", (), False),
        ("ORDER BY id LIMIT ALL", (Key("id"),), False),
    ],
)  # fmt: skip
def test_the_order_that_is_asked_for(rest: str, keys: tuple[Key, ...], is_limited: bool) -> None:
    use = use_of(f"SELECT id, status, created_at AS since FROM tasks t {rest}")
    assert use.order_by == keys
    assert use.is_limited is (is_limited and bool(keys))


def test_the_order_ends_where_another_tables_column_begins() -> None:
    text = "SELECT 1 FROM tasks t JOIN agents a ON a.id = t.agent_id ORDER BY t.status, a.name"
    assert use_of(text).order_by == (Key("status"),)
    assert use_of(text, AGENTS).order_by == ()


def test_the_largest_value_is_the_last_of_an_order() -> None:
    use = use_of("SELECT max(created_at) FROM tasks WHERE agent_id = $1")
    assert (use.order_by, use.is_limited) == ((Key("created_at"),), True)


@pytest.mark.parametrize("clause", ["GROUP BY agent_id, status", "GROUP BY 1, status"])
def test_grouping_is_seen_by_name_and_by_number(clause: str) -> None:
    text = f"SELECT agent_id, count(*) FROM tasks {clause}"
    assert use_of(text).group_by == ("agent_id", "status")


def test_distinct_groups_by_all_that_is_selected() -> None:
    assert use_of("SELECT DISTINCT agent_id, status FROM tasks").group_by == ("agent_id", "status")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 FROM agents a JOIN tasks t ON t.agent_id = a.id",
        "SELECT 1 FROM agents a, tasks t WHERE t.agent_id = a.id",
        "SELECT 1 FROM agents a WHERE EXISTS (SELECT FROM tasks t WHERE t.agent_id = a.id)",
        "SELECT 1 FROM agents WHERE id IN (SELECT agent_id FROM tasks)",
        "SELECT (SELECT count(*) FROM tasks WHERE agent_id = a.id) FROM agents a",
        "DELETE FROM tasks t USING agents a WHERE t.agent_id = a.id",
        "UPDATE tasks SET note = $1 FROM agents WHERE agent_id = agents.id",
        "MERGE INTO tasks t USING agents a ON t.agent_id = a.id WHEN MATCHED THEN DELETE",
    ],
)
def test_a_join_is_seen_from_both_sides(text: str) -> None:
    assert use_of(text).joins == (Join("agent_id", AGENTS, "id"),)
    assert use_of(text, AGENTS).joins == (Join("id", TASKS, "agent_id"),)


@pytest.mark.parametrize("join", ["JOIN billing.orgs USING (org_id)", "NATURAL JOIN billing.orgs"])
def test_columns_that_a_join_merges_join_both_tables(join: str) -> None:
    text = f"SELECT org_id FROM agents {join}"
    assert use_of(text, ORGS).joins == (Join("org_id", AGENTS, "org_id"),)
    assert read(text, TABLES).unresolved == ()


def test_the_on_of_an_outer_join_leaves_out_no_row_of_the_outer_table() -> None:
    text = (
        "SELECT 1 FROM agents a"
        " LEFT JOIN tasks t ON t.agent_id = a.id AND t.status = $1 AND a.active"
    )
    assert filled(use_of(text)) == {
        "equals": ("status",),
        "joins": (Join("agent_id", AGENTS, "id"),),
    }
    assert filled(use_of(text, AGENTS)) == {"constants": ("active",)}


@pytest.mark.parametrize(
    ("where", "is_inner"),
    [
        ("t.status = $1", True),
        ("status = $1", True),  # whose column it is, is certain
        ("t.created_at > now()", True),
        ("t.status IN ($1, $2)", True),
        ("t.note::text LIKE $1 AND a.active", True),
        ("t.id IS NOT NULL", True),
        ("t.status = $1 OR t.note = $2", True),
        ("NOT t.id > $1", True),
        ("t.id IS NULL", False),  # that is what the join was made an outer one for
        ("coalesce(t.status, $1) = $1", False),
        ("t.status = $1 OR a.active", False),
        ("t.status IS DISTINCT FROM $1", False),
        ("a.name = $1", False),
    ],
)
def test_an_outer_join_whose_nulls_are_left_out_again_is_searched_from_both_sides(
    where: str, is_inner: bool
) -> None:
    text = f"SELECT 1 FROM agents a LEFT JOIN tasks t ON t.agent_id = a.id WHERE {where}"
    joins = (Join("id", TASKS, "agent_id"),) if is_inner else ()
    assert use_of(text, AGENTS).joins == joins
    turned = f"SELECT 1 FROM tasks t RIGHT JOIN agents a ON t.agent_id = a.id WHERE {where}"
    assert use_of(turned, AGENTS).joins == joins


def test_an_inner_join_above_outer_ones_makes_them_inner_down_to_what_it_needs() -> None:
    text = (
        "SELECT 1 FROM billing.orgs o LEFT JOIN agents a ON a.org_id = o.org_id"
        " LEFT JOIN tasks t ON t.agent_id = a.id WHERE t.status = $1"
    )
    assert use_of(text, ORGS).joins == (Join("org_id", AGENTS, "org_id"),)
    # Without it the first table is kept whole.
    assert use_of(text.replace("t.status = $1", "true"), ORGS).joins == ()


def test_a_full_join_keeps_the_side_that_nobody_needs_a_row_of() -> None:
    text = "SELECT 1 FROM agents a FULL JOIN tasks t ON t.agent_id = a.id WHERE t.status = $1"
    assert use_of(text, AGENTS).joins == (Join("id", TASKS, "agent_id"),)
    assert use_of(text).joins == ()
    both = text + " AND a.active"
    assert use_of(both).joins == (Join("agent_id", AGENTS, "id"),)


def test_an_alias_in_the_place_of_a_column_is_the_whole_row() -> None:
    shape = read("SELECT to_json(t), json_agg(a) FROM agents a, tasks t", TABLES)
    assert shape.unresolved == ()
    assert all(use.reads_all for use in shape.uses)


def test_a_with_query_is_no_table_even_under_a_tables_name() -> None:
    text = (
        "WITH agents AS (SELECT id FROM tasks WHERE status = $1)"
        " SELECT 1 FROM agents WHERE name = $2"
    )
    shape = read(text, TABLES)
    assert shape.tables == {TASKS}
    assert filled(shape.uses[0]) == {"equals": ("status",)}
    # Its own columns are those of the table behind it.
    through = text.replace("name = $2", "id = $2")
    assert filled(read(through, TABLES).uses[0]) == {"equals": ("status", "id")}


def test_a_schema_is_kept_and_a_bare_name_is_looked_for_on_the_search_path() -> None:
    columns = {TableName("a", "t"): ("x",), TableName("b", "t"): ("y",)}
    tables = Tables(columns=columns, search_path=("b", "a"))
    assert read("SELECT 1 FROM t WHERE y = $1", tables).uses[0].table == TableName("b", "t")
    assert read("SELECT 1 FROM a.t WHERE x = $1", tables).uses[0].table == TableName("a", "t")


def test_a_table_that_is_not_known_keeps_its_bare_name() -> None:
    use = read("SELECT 1 FROM elsewhere WHERE x = $1").uses[0]
    assert (use.table, use.equals) == (TableName("", "elsewhere"), ("x",))


def test_a_bare_column_is_not_guessed_between_two_unknown_tables() -> None:
    shape = read("SELECT 1 FROM here, there WHERE x = $1")
    assert [use.equals for use in shape.uses] == [(), ()]
    assert shape.unresolved == ("x",)


def test_each_arm_of_a_union_is_a_level_of_its_own() -> None:
    text = (
        "SELECT id FROM tasks WHERE status = $1 UNION ALL SELECT id FROM tasks WHERE agent_id = $2"
    )
    assert [use.equals for use in read(text, TABLES).uses] == [("status",), ("agent_id",)]


@pytest.mark.parametrize(
    ("text", "write"),
    [
        ("INSERT INTO tasks (id) VALUES ($1)", Write(table=TASKS, kind="insert")),
        ("COPY tasks FROM STDIN", Write(table=TASKS, kind="insert")),
        ("DELETE FROM tasks WHERE id = $1", Write(table=TASKS, kind="delete")),
        (
            "WITH x AS (UPDATE tasks SET status = $1, note = $2 RETURNING id) SELECT * FROM x",
            Write(table=TASKS, kind="update", columns=frozenset({"status", "note"})),
        ),
    ],
)
def test_what_is_written(text: str, write: Write) -> None:
    assert read(text, TABLES).writes == (write,)


def test_an_upsert_inserts_and_updates() -> None:
    text = "INSERT INTO tasks (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET note = excluded.note"
    assert [one.kind for one in read(text, TABLES).writes] == ["insert", "update"]


def test_the_highest_parameter_counts_wherever_it_is() -> None:
    text = "SELECT $2 FROM tasks WHERE agent_id = $1 AND (status = $4 OR note = $3) LIMIT $5"
    assert read(text, TABLES).parameters == 5


def test_what_is_no_query_has_an_empty_shape() -> None:
    assert read("BEGIN") == Shape(is_plannable=False)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT 1; DROP TABLE tasks", "2 statements"),
        ("", "0 statements"),
        ("SELECT 1" + " + x" * 4_000, "too deep"),  # more than Python's stack holds
        ("SELECT 1" + " + x" * 100_000, "too deep"),  # more than the parser's own stack holds
        ("SELECT " + "NOT " * 100_000 + "x", "too deep"),
        ("SELECT " + "CASE WHEN " * 100_000 + "x" + " THEN 1 END" * 100_000, "too deep"),
        ("SELECT 1, 2" + " UNION SELECT 1, 2" * 100_000, "too deep"),
        ("SELECT 1 FROM t" + " JOIN t ON a AND b" * 100_000, "too deep"),
        ('SELECT "a,b"' + ' + "a,b"' * 100_000, "too deep"),
        ("SELECT 1 \0", "zero byte"),
    ],
)
def test_what_cannot_be_read_says_why(text: str, reason: str) -> None:
    with pytest.raises(NotUnderstood, match=reason):
        read(text)


@pytest.mark.parametrize(
    "condition",
    [
        "id IN (" + ", ".join(f"${number}::bigint" for number in range(1, 30_001)) + ")",
        " OR ".join(f"(t.a = ${number} AND t.b = -${number})" for number in range(1, 2_001)),
        "id + CASE " + "WHEN a = -1 THEN b - 1 " * 2_000 + "END = 1",
    ],
    ids=["values", "pairs", "cases"],
)
def test_what_stands_side_by_side_may_be_long(condition: str) -> None:
    (use,) = read(f"SELECT * FROM t WHERE {condition}").uses
    assert use.table.name == "t"
