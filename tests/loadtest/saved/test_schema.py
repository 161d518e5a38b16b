"""The published schema describes every saved result, and no more than that."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from keiko_perf.fakes import Answer, run_virtually, steady
from keiko_perf.loadtest import ConstantRate, Plan, Poisson, Replay, Stage, Stages, Users
from keiko_perf.loadtest.engine.generator import Generator
from keiko_perf.loadtest.result import Result
from keiko_perf.loadtest.saved.result import VERSION, result_schema, to_dict
from keiko_perf.loadtest.transport import Failure
from keiko_perf.model import Severity, Target
from keiko_perf.model.kpi import ERROR_RATIO, LATENCY_P99, THROUGHPUT

LOADS = [
    ConstantRate(50),
    Poisson(50, seed=4),
    Users(5, think_s=0.1),
    Stages((Stage(1, 50), Stage(1, 0)), 10),
    Replay([0.0, 0.5, 0.7]),
]


def measured(load, service=None) -> Result:
    duration_s = 0 if isinstance(load, Stages | Replay) else 2
    plan = Plan(base_url="http://service", load=load, duration_s=duration_s)
    return run_virtually(plan, service or steady(0.01))


def strict(schema: Any) -> Any:
    """The same schema, refusing members that it does not name."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(value) for key, value in schema.items()}
    if "properties" in found and isinstance(found["properties"], dict):
        found.setdefault("additionalProperties", False)
    return found


def validate(result: Result) -> None:
    document = json.loads(json.dumps(to_dict(result)))
    jsonschema.Draft202012Validator(strict(copy.deepcopy(result_schema()))).validate(document)


def test_the_schema_is_one_and_of_this_version():
    jsonschema.Draft202012Validator.check_schema(result_schema())
    assert result_schema()["properties"]["version"]["const"] == VERSION


@pytest.mark.parametrize("load", LOADS, ids=lambda load: type(load).__name__)
def test_a_result_of_every_kind_of_load_is_described(load):
    validate(measured(load))


def test_failures_targets_and_generators_are_described():
    result = measured(ConstantRate(50), lambda now_s, _request: Answer(0.01, 503 if now_s else 200))
    targets = (
        Target(kpi=LATENCY_P99, at_most=0.5, subject="GET /", severity=Severity.WARNING),
        Target(kpi=ERROR_RATIO, at_most=0.01),
        Target(kpi=THROUGHPUT, at_least=10.0),
    )
    validate(replace(result, targets=targets, generators=(Generator(cpu_ratio=0.5),), lost=1))


def test_every_class_of_failure_is_named():
    named = result_schema()["$defs"]["error"]["properties"]["failure"]["enum"]
    assert named == [one.value for one in Failure]


@pytest.mark.parametrize(
    ("member", "value"),
    [("offered", -1), ("version", 1), ("load", {"kind": "unheard-of"}), ("steps", None)],
)
def test_what_is_no_result_does_not_fit(member, value):
    document = to_dict(measured(ConstantRate(50))) | {member: value}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(result_schema()).validate(document)
