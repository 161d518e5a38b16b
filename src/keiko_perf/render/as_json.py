"""
JSON: every value of the report, for programs.

Numbers are in the units that their names carry; what is not known, and what is no finite
number, is null. A text is an object: its English sentence, and, of a message, its template and
values. `report_schema` describes it all; `schema_version` says which one holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from importlib.resources import files
from math import isfinite
from typing import Any

from keiko_perf.model import (
    Chart,
    Comparison,
    Finding,
    Gap,
    Line,
    Message,
    Recommendation,
    Report,
    Section,
    Severity,
    Status,
    Table,
    Text,
    Tree,
    Verdict,
)
from keiko_perf.model.report import SCHEMA_VERSION
from keiko_perf.render.language import phrase
from keiko_perf.render.words import verified

Json = dict[str, Any]


def as_json(report: Report) -> str:
    """The report as a JSON document, which `report_schema` describes."""
    # Halves of surrogate pairs have no encoding; ASCII escapes would carry them on.
    text = json.dumps(_report(report), indent=2, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "replace").decode("utf-8") + "\n"


@cache
def report_schema() -> Json:
    """The JSON Schema (2020-12) of `as_json`."""
    schema = files(__package__).joinpath("report.schema.json").read_text(encoding="utf-8")
    loaded: Json = json.loads(schema)
    return loaded


def _report(report: Report) -> Json:
    return _values(report.answer) | {
        "schema_version": SCHEMA_VERSION,
        "command": report.command,
        "title": _text(report.title),
        "headline": _text(report.headline),
        "status": {"word": report.status.word, "exit_code": report.status.exit_code},
        "created_at": report.created_at.isoformat(),
        "sections": [_section(section) for section in report.sections],
        "environment": dict(report.environment),
    }


def _section(section: Section) -> Json:
    return {
        "title": _text(section.title),
        "paragraphs": [_text(one) for one in section.paragraphs],
        "verdicts": [_verdict(one) for one in section.verdicts],
        "comparisons": [_comparison(one) for one in section.comparisons],
        "findings": [_finding(one) for one in section.findings],
        "recommendations": [_recommendation(one) for one in section.recommendations],
        "charts": [_chart(one) for one in section.charts],
        "tables": [_table(one) for one in section.tables],
        "trees": [_tree(one) for one in section.trees],
        "gaps": [_gap(one) for one in section.gaps],
    }


def _verdict(verdict: Verdict) -> Json:
    target = verdict.target
    return {
        "kpi": target.kpi.name,
        "label": _text(target.kpi.label),
        "format": target.kpi.format,
        "subject": target.subject,
        "at_most": _value(target.at_most),
        "at_least": _value(target.at_least),
        "severity": target.severity.word,
        "outcome": verdict.outcome.value,
        "reason": _text(verdict.reason),
        "value": _value(verdict.value),
        "samples": verdict.samples,
    }


def _comparison(one: Comparison) -> Json:
    return {
        "subject": one.subject,
        "label": _text(one.label),
        "format": one.format,
        "before": _value(one.before),
        "after": _value(one.after),
        "ratio": _value(one.ratio),
        "low": _value(one.low),
        "high": _value(one.high),
        "change": one.change.value,
        "reason": _text(one.reason),
    }


def _finding(one: Finding) -> Json:
    return {
        "code": one.code,
        "severity": one.severity.word,
        "subject": one.subject,
        "summary": _text(one.summary),
        "evidence": _values(one.evidence),
        "explanation": None if one.explanation is None else _text(one.explanation),
        "cure": one.cure,
        "link": one.link,
        "example": one.example,
    }


def _recommendation(one: Recommendation) -> Json:
    return {
        "code": one.code,
        "subject": one.subject,
        "summary": _text(one.summary),
        "statement": one.statement,
        "verified_by": one.verified_by,
        "verified": _text(verified(one.verified_by)),
        "evidence": _values(one.evidence),
        "statements": list(one.statements),
        "undo": one.undo,
        "replaces": list(one.replaces),
    }


def _gap(gap: Gap) -> Json:
    return {
        "subject": _text(gap.subject),
        "reason": _text(gap.reason),
        "remedy": _text(gap.remedy),
    }


def _chart(chart: Chart) -> Json:
    return {
        "title": _text(chart.title),
        "format": chart.format,
        "lines": [_line(line) for line in chart.lines],
        "limit": _value(chart.limit),
        "marks": [{"x_s": _value(at), "name": _text(text)} for at, text in chart.marks],
        "logarithmic": chart.logarithmic,
    }


def _line(line: Line) -> Json:
    return {"name": _text(line.name), "points": [[_value(x), _value(y)] for x, y in line.points]}


def _table(table: Table) -> Json:
    return {
        "title": _text(table.title),
        "columns": [{"title": _text(one.title), "format": one.format} for one in table.columns],
        "rows": [[_value(cell) for cell in row] for row in table.rows],
        "left_out": table.left_out,
    }


def _tree(tree: Tree) -> Json:
    return {
        "title": _text(tree.title),
        "columns": [{"title": _text(title), "format": format} for title, format in tree.columns],
        "branches": [
            {
                "parent": one.parent,
                "name": one.name,
                "share_ratio": _value(one.share),
                "cells": [_value(cell) for cell in one.cells],
                "details": dict(one.details),
                "findings": [{"severity": s.word, "code": code} for s, code in one.findings],
            }
            for one in tree.branches
        ],
        "left_out": tree.left_out,
    }


def _text(text: Text) -> Json:
    if isinstance(text, str):
        return {"text": text}
    return {
        "text": phrase(text, "en"),
        "template": text.template,
        "values": _values(text.values),
    }


def _values(values: Mapping[str, Any]) -> Json:
    return {name: _value(value) for name, value in values.items()}


def _value(value: object) -> Any:
    """A value as JSON has it; what JSON has no form for is its text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Message):
        return _text(value)
    if isinstance(value, Severity | Status):
        return value.word
    if isinstance(value, Enum):
        return _value(value.value)
    if isinstance(value, int | str):
        return value
    if isinstance(value, float | Decimal):
        return float(value) if isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return _values({str(name): one for name, one in value.items()})
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [_value(one) for one in value]
    return str(value)
