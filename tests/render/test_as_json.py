"""The report for programs, and its published schema."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from math import inf, nan
from typing import Any

import jsonschema
import pytest

from keiko_perf.model import Column, Report, Section, Severity, Status, Table, say
from keiko_perf.render import render
from keiko_perf.render.as_json import report_schema


def _strict(schema: Any) -> Any:
    """The schema in which a member that it does not name is an error."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {name: _strict(one) for name, one in schema.items()}
    if isinstance(strict.get("properties"), dict):
        strict["additionalProperties"] = False
    return strict


@pytest.fixture
def document(sample: Report) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(render(sample, "json"), parse_constant=pytest.fail)
    return loaded


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(report_schema())


def test_the_schema_describes_every_member(document: dict[str, Any]) -> None:
    strict = jsonschema.Draft202012Validator(_strict(copy.deepcopy(report_schema())))

    strict.validate(document)


@pytest.mark.parametrize("status", Status)
def test_each_status_is_in_the_schema(sample: Report, status: Status) -> None:
    document = json.loads(render(replace(sample, status=status), "json"))

    jsonschema.Draft202012Validator(report_schema()).validate(document)
    assert document["status"] == {"word": status.word, "exit_code": status.exit_code}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema_version",), 2),
        (("status", "exit_code"), 1),
        (("sections", 0, "verdicts", 0, "outcome"), "passed"),
        (("sections", 0, "verdicts", 0, "value"), "1.4 s"),
        (("headline",), "a bare sentence"),
        (("headline",), {"text": "x", "template": "x"}),
        (("sections", 1, "recommendations", 0, "statement"), None),
    ],
)
def test_the_schema_refuses_what_is_wrong(
    document: dict[str, Any], path: tuple[Any, ...], value: object
) -> None:
    part = document
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(report_schema()).validate(document)


def test_a_message_has_its_sentence_template_and_values(document: dict[str, Any]) -> None:
    headline = document["headline"]

    assert headline["text"].endswith("p95 fell from 1.41 s to 97.4 ms")
    assert headline["template"].endswith("{before:duration} to {after:duration}")
    assert headline["values"] == {"before": 1.412, "after": 0.0974}
    assert document["sections"][1]["findings"][2]["summary"].keys() == {"text"}


def test_every_figure_is_there_in_its_own_unit(document: dict[str, Any]) -> None:
    targets, causes, effect, details = document["sections"]

    assert targets["verdicts"][0] == {
        "kpi": "latency_p95_s",
        "label": {
            "text": "response time p95",
            "template": "response time p{percent}",
            "values": {"percent": "95"},
        },
        "format": "duration",
        "subject": "GET /api/v1/agents/{agent_id}/tasks",
        "at_most": 0.2,
        "at_least": None,
        "severity": "critical",
        "outcome": "missed",
        "reason": {"text": "over the limit", "template": "over the limit", "values": {}},
        "value": 1.412,
        "samples": 2400,
    }
    assert causes["findings"][1]["evidence"]["size_bytes"] == 187_340_800
    assert effect["comparisons"][0]["low"] == 0.058
    assert details["tables"][0]["left_out"] == 17
    assert targets["charts"][0]["lines"][0]["points"][41] == [41.0, None]


def test_what_is_no_finite_number_is_null(document: dict[str, Any]) -> None:
    assert document["sections"][3]["tables"][0]["rows"][2][4:7] == [None, None, None]
    assert document["sections"][2]["comparisons"][2]["after"] is None


def test_cells_of_every_kind_have_a_form() -> None:
    class Odd(Enum):
        NUMBER = nan

    cells = (
        *(datetime(2026, 1, 1, tzinfo=UTC), Decimal("1.5"), Severity.NOTE, Odd.NUMBER, inf),
        *(("a", 1), {"k": 2}, b"\x00", say("{x}", x=say("y")), "\ud800"),
    )
    columns = tuple(Column(f"{i}") for i, _ in enumerate(cells))
    table = Table(title="t", columns=columns, rows=(cells,))
    report = Report(
        command="x",
        title="t",
        headline="h",
        status=Status.OK,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        sections=(Section(title="s", tables=(table,)),),
    )

    document = json.loads(render(report, "json"))

    jsonschema.Draft202012Validator(report_schema()).validate(document)
    assert document["sections"][0]["tables"][0]["rows"][0] == [
        *("2026-01-01T00:00:00+00:00", 1.5, "note", None, None, ["a", 1], {"k": 2}, "b'\\x00'"),
        {
            "text": "y",
            "template": "{x}",
            "values": {"x": {"text": "y", "template": "y", "values": {}}},
        },
        "?",
    ]


def test_json_is_the_same_in_every_language(sample: Report) -> None:
    assert render(sample, "json", lang="de") == render(sample, "json")
