"""`db explain` reads a statement, a file, standard input or a log, and shows the tree."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keiko_perf.cli.db import app
from keiko_perf.errors import KeikoError

PLAN = [
    {
        "Plan": {
            "Node Type": "Hash Join", "Total Cost": 900.0, "Plan Rows": 5, "Actual Rows": 5,
            "Actual Loops": 1, "Actual Total Time": 400.0, "Hash Cond": "(a.id = b.a_id)",
            "Plans": [
                {
                    "Node Type": "Seq Scan", "Parent Relationship": "Outer", "Relation Name": "<b>",
                    "Total Cost": 800.0, "Plan Rows": 9, "Actual Rows": 5, "Actual Loops": 1,
                    "Actual Total Time": 390.0, "Filter": "(lower(x) = 'é'::text)",
                    "Rows Removed by Filter": 200_000, "Shared Hit Blocks": 12, "Alias": "<b>",
                },
                {"Node Type": "Hash", "Parent Relationship": "Inner", "Actual Loops": 0},
            ],
        },
        "Execution Time": 400.0,
        "Planning Time": 1.0,
    }
]  # fmt: skip
TEXT = "Seq Scan on t  (cost=0.00..9.00 rows=5 width=4)"


@dataclass(frozen=True)
class Done:
    exit_code: int
    output: str
    error: KeikoError | None


def explain(*arguments: str, given: str = "") -> Done:
    done = CliRunner().invoke(app, ["explain", *arguments], input=given, env={"COLUMNS": "100"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        assert isinstance(done.exception, KeikoError), done.exception
        return Done(done.exception.exit_code, done.output, done.exception)
    return Done(done.exit_code, done.output, None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "a plan.json"
    file.write_text(json.dumps(PLAN), encoding="utf-8")
    return file


def test_the_tree_of_a_file_is_drawn_with_the_findings_at_their_steps(file: Path) -> None:
    done = explain(str(file))
    assert done.exit_code == 0, done.error
    lines = [line.split("  ")[0] for line in done.output.splitlines()]
    tree = lines[lines.index("Its steps, as they are nested") + 2 :]
    assert tree[:9] == [
        "1 Hash Join",
        "│",
        "│",
        "├─ 2 Seq Scan on <b>",
        "│",
        "│",
        "│",
        "│",
        "└─ 3 Hash (never executed)",
    ]
    assert "│     ! plan.function-on-column" in done.output
    assert "Rows thrown away 200,000" in done.output


def test_the_page_shows_each_step_with_a_bar_and_its_findings(file: Path) -> None:
    page = explain(str(file), "--format", "html").output
    assert "<strong>Seq Scan on &lt;b&gt;</strong>" in page
    assert "width:97.5%" in page
    assert "plan.function-on-column" in page.partition('class="card flush tree"')[2]
    assert "<b>" not in page.replace('<b style="width', "")


def test_the_json_has_the_tree_by_steps(file: Path) -> None:
    report = json.loads(explain(str(file), "--format", "json").output)
    (tree,) = report["sections"][-1]["trees"]
    assert [one["parent"] for one in tree["branches"]] == [None, 0, 0]
    assert tree["branches"][1]["details"] == {"Filter": "(lower(x) = 'é'::text)"}
    assert {"severity": "warning", "code": "plan.function-on-column"} in (
        tree["branches"][1]["findings"]
    )


def test_markdown_has_the_tree_as_it_is_drawn(file: Path) -> None:
    assert "├─ 2 Seq Scan on <b>  [390 ms" in explain(str(file), "--format", "markdown").output


def test_a_plan_comes_on_standard_input_and_in_german() -> None:
    done = explain("-", "--lang", "de", given=TEXT)
    assert done.exit_code == 0, done.error
    assert "Sie wurde geplant, aber nicht ausgeführt" in done.output
    assert "1 Seq Scan on t" in done.output


def test_a_severe_finding_fails_a_build(tmp_path: Path) -> None:
    text = json.dumps(PLAN).replace("400.0", "4000.0").replace("390.0", "3900.0")
    assert explain("-", given=text).exit_code == 3


@pytest.mark.parametrize(
    ("arguments", "given", "says"),
    [
        (["no-such-plan.json"], "", "there is no file no-such-plan.json"),
        (["-"], "- Plan:\n    Node Type: Seq Scan\n", "it is YAML"),
        (["-"], "<explain/>", "it is XML"),
        (["-"], '[{"Plan": {"Node Type": "Seq', "cut off"),
        (["SELECT 1"], "", "no database is named"),
        (["-"], "", "neither a statement nor a plan"),
    ],
)  # fmt: skip
def test_what_cannot_be_explained_says_why(
    arguments: list[str], given: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KEIKO_PERF_DATABASE", raising=False)
    done = explain(*arguments, given=given)
    assert done.error is not None
    assert says in done.error.what
