"""What is said of the real plans in tests/postgres/plans, the sick and the healthy ones."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from keiko_perf.diagnosis.plans.plan import read_plan
from keiko_perf.diagnosis.rules.plans import judge_plan

CORPUS = Path(__file__).parents[2] / "postgres" / "plans"


@cache
def cases() -> list[Any]:
    return [
        pytest.param(case, id=f"{file.stem}: {case['name']}")
        for file in sorted(CORPUS.glob("*.json"))
        for case in json.loads(file.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize("case", cases())
def test_a_real_plan_is_judged_as_one_who_knows_would(case: dict[str, Any]) -> None:
    said = {one.code for one in judge_plan(read_plan(case["explained"]))}
    if case["expected"] is None:
        assert said == set(), case["sql"]
    else:
        assert case["expected"] in said, case["sql"]


@pytest.mark.parametrize("case", [one for one in cases() if "text" in one.values[0]])
def test_the_text_of_every_version_is_judged_like_its_json(case: dict[str, Any]) -> None:
    said = {one.code for one in judge_plan(read_plan(case["text"]))}
    if case["expected"] is None:
        assert said == set(), case["sql"]
    else:
        assert case["expected"] in said, case["sql"]


@pytest.mark.parametrize("version", [13, 16, 17, 18])
def test_text_and_json_of_a_version_have_the_same_steps(version: int) -> None:
    kept = json.loads((CORPUS / f"versions_{version}.json").read_text(encoding="utf-8"))
    assert len(kept) > 40
    for case in kept:
        of_json, of_text = read_plan(case["explained"]), read_plan(case["text"])
        assert [one.kind for one in of_text.nodes] == [one.kind for one in of_json.nodes]
        assert of_text.executed == of_json.executed
        read = [one.relation for one in of_json.nodes]
        assert [one.relation for one in of_text.nodes] == read, case["name"]


def test_rows_of_a_loop_are_fractions_from_version_18_on() -> None:
    kept = json.loads((CORPUS / "versions_18.json").read_text(encoding="utf-8"))
    (case,) = [one for one in kept if one["name"] == "in parallel" and one["expected"]]
    scan = read_plan(case["explained"]).nodes[1]
    assert scan.loops == 3
    assert scan.rows == pytest.approx(62, abs=0.1)  # each process's share was 20.67


def slowed(explained: list[dict[str, Any]], by: float) -> list[dict[str, Any]]:
    """The same plan, on a machine with another pace."""

    def of(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: of(one, key) for key, one in value.items()}
        if isinstance(value, list):
            return [of(one) for one in value]
        return value * by if name.endswith("Time") or name == "Total" else value

    slow: list[dict[str, Any]] = of(explained)
    return slow


@pytest.mark.parametrize("by", [5.0, 1 / 3])
def test_a_machines_pace_changes_nothing_of_what_is_said(by: float) -> None:
    # The exceptions are about seconds: how long a lock was waited for, planning, and a look-up.
    about_seconds = {
        "plan.lock-or-io-wait", "plan.slow-planning", "plan.unindexed-foreign-key",
        "plan.cold-read", "plan.trigger-time",
    }  # fmt: skip
    for param in cases():
        case = param.values[0]
        own = {one.code for one in judge_plan(read_plan(case["explained"]))}
        other = {one.code for one in judge_plan(read_plan(slowed(case["explained"], by)))}
        assert own - about_seconds == other - about_seconds, case["name"]
        if case["expected"] is None:
            assert other == set(), case["name"]
