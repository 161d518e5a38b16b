"""Results on disk: they come back as they were, and nothing else comes back at all."""

from __future__ import annotations

import json

import pytest

from keiko_perf.errors import StoreUnavailable, UsageError
from keiko_perf.fakes import Answer, freezing, run_virtually, steady
from keiko_perf.loadtest import (
    ConstantRate,
    Plan,
    Poisson,
    Stage,
    Stages,
    Step,
    Users,
    bearer,
    load,
    save,
)
from keiko_perf.loadtest.saved.result import from_dict, to_dict

LOADS = [
    ConstantRate(50),
    Poisson(50, seed=4),
    Users(5, think_s=0.1),
    Stages((Stage(1, 50), Stage(1, 0)), 10),
]


@pytest.mark.parametrize("kind", LOADS, ids=lambda kind: type(kind).__name__)
def test_a_result_comes_back_as_it_was(tmp_path, kind):
    duration_s = 0 if isinstance(kind, Stages) else 2
    plan = Plan(base_url="http://service", load=kind, duration_s=duration_s)
    result = run_virtually(plan, freezing(0.001, from_s=0.5, to_s=1))
    save(result, tmp_path / "result.json")
    assert load(tmp_path / "result.json") == result
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


def test_errors_come_back_and_no_secret_is_written(tmp_path):
    plan = Plan(
        base_url="http://service",
        steps=(Step.with_json({"password": "hunter2"}, "/login?token=hunter3"),),
        load=ConstantRate(50),
        duration_s=1,
        headers=bearer("hunter4"),
    )
    result = run_virtually(plan, lambda _now_s, _request: Answer(0.001, 503))
    save(result, tmp_path / "result.json")
    assert load(tmp_path / "result.json").errors == result.errors
    assert "***" in (tmp_path / "result.json").read_text()
    assert "hunter4" not in (tmp_path / "result.json").read_text()
    assert "hunter2" not in (tmp_path / "result.json").read_text()


def test_an_hour_is_a_small_file(tmp_path):
    plan = Plan(base_url="http://service", load=ConstantRate(2), duration_s=3600)
    save(run_virtually(plan, steady(0.01)), tmp_path / "result.json")
    assert (tmp_path / "result.json").stat().st_size < 400_000


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no result"),
        ("[]", "no result"),
        ("{}", "no result"),
        ("[" * 100_000, "no result"),
        ('{"format": "keiko-perf load result", "version": 99}', "of version 99"),
        ('{"format": "keiko-perf load result", "version": 2}', "damaged"),
        ('{"format": "keiko-perf load result", "version": 1}', "of version 1"),
        ("\x00", "no result"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path, text, reason):
    file = tmp_path / "other.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=reason):
        load(file)


@pytest.mark.parametrize(
    ("change", "to"),
    [
        ("started_at", "2026-01-01T00:00:00"),
        ("started_at", "yesterday"),
        ("duration_s", -1),
        ("duration_s", None),
        ("load", {"kind": "other"}),
        ("load", {"kind": "constant", "per_s": -1}),
        ("steps", [{"name": "x"}]),
        ("steps", 5),
        ("late", {"scale": 3}),
        ("errors", [{"failure": "other"}]),
        ("environment", []),
    ],
)
def test_a_result_with_a_senseless_part_is_refused(change, to):
    plan = Plan(base_url="http://service", load=ConstantRate(50), duration_s=1)
    document = json.loads(json.dumps(to_dict(run_virtually(plan, steady(0.001)))))
    with pytest.raises(UsageError, match="the damaged result"):
        from_dict(document | {change: to})


@pytest.mark.parametrize(("version", "cure"), [(1, "Measure again"), (99, "a newer one")])
def test_another_version_says_what_to_do(version, cure):
    with pytest.raises(UsageError) as refused:
        from_dict({"format": "keiko-perf load result", "version": version})
    assert cure in refused.value.cure


def test_a_file_that_was_cut_off_is_refused(tmp_path):
    plan = Plan(base_url="http://service", load=ConstantRate(50), duration_s=1)
    save(run_virtually(plan, steady(0.001)), tmp_path / "result.json")
    whole = (tmp_path / "result.json").read_text()
    (tmp_path / "result.json").write_text(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match="no result"):
        load(tmp_path / "result.json")


def test_a_file_that_cannot_be_read_or_written_is_said(tmp_path):
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        load(tmp_path / "none.json")
    result = run_virtually(Plan(base_url="http://service", duration_s=1), steady(0.001))
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        save(result, tmp_path / "none" / "result.json")
