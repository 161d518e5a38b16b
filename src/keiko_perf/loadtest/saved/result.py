"""
Saved: a result as one JSON file that can be reported on, and compared, at any time.

`result.schema.json` describes it. Histograms of whole runs are objects that others can read
(OpenTelemetry's layout), those of the timelines are compact. Headers and bodies are not in it.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from keiko_perf.errors import StoreUnavailable, UsageError
from keiko_perf.loadtest.engine.generator import Generator
from keiko_perf.loadtest.result import ErrorGroup, InFlight, Result, StepResult
from keiko_perf.loadtest.saved.load import load_from_dict, load_to_dict
from keiko_perf.loadtest.saved.targets import targets_from_list, targets_to_list
from keiko_perf.loadtest.transport import Failure
from keiko_perf.loadtest.verdicts.promise import Promise, Stopped
from keiko_perf.loadtest.verdicts.steady import Warmup
from keiko_perf.loadtest.watching.watched import Watched
from keiko_perf.model import Histogram, Kind, Series

FORMAT = "keiko-perf load result"
VERSION = 2
T = TypeVar("T")


def save(result: Result, file: Path) -> None:
    """
    Write *result* to *file*, whole or not at all.

    Raises:
        StoreUnavailable: the file cannot be written.
    """
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_text(json.dumps(to_dict(result), allow_nan=False), encoding="utf-8")
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StoreUnavailable(
            f"the result cannot be written to {file}: {error.strerror}",
            cure="Name a file in a folder with room that exists and that you may write to",
        ) from error


def load(file: Path) -> Result:
    """
    Read a result back.

    Raises:
        StoreUnavailable: the file cannot be read.
        UsageError: it is no result, one of another version, or damaged.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise StoreUnavailable(
            f"the result cannot be read from {file}: {error.strerror}",
            cure="Name a file that `keiko-perf load run --save` wrote",
        ) from error
    except UnicodeDecodeError as error:
        raise _no_result(str(file)) from error
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _no_result(str(file)) from error
    return from_dict(document, source=str(file))


@cache
def result_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a saved result."""
    text = files("keiko_perf.loadtest").joinpath("result.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def to_dict(result: Result) -> dict[str, Any]:
    """The result in JSON's types."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "target": result.target,
        "load": load_to_dict(result.load),
        "started_at": result.started_at.isoformat(),
        "planned_s": result.planned_s,
        "duration_s": result.duration_s,
        "interval_s": result.interval_s,
        "steps": [_step_to_dict(step) for step in result.steps],
        "errors": [_error_to_dict(group) for group in result.errors],
        "offered": result.offered,
        "dropped": result.dropped,
        "unfinished": result.unfinished,
        "unfinished_s": result.unfinished_s,
        "waited": result.waited,
        "connections": result.connections,
        "opened": result.opened,
        "lag": result.lag.to_dict(),
        "late": result.late.to_dict(),
        "cpu_ratio": result.cpu_ratio,
        "in_flight": {
            "samples": result.in_flight.samples,
            "mean": result.in_flight.mean,
            "peak": result.in_flight.peak,
            "timeline": list(result.in_flight.timeline),
        },
        "interrupted": result.interrupted,
        "environment": dict(result.environment),
        "targets": targets_to_list(result.targets),
        "generators": [one.to_dict() for one in result.generators],
        "lost": result.lost,
        "same_host": result.same_host,
        "promises": [one.to_dict() for one in result.promises],
        "stopped": None if result.stopped is None else result.stopped.to_dict(),
        "warmup": None if result.warmup is None else result.warmup.to_dict(),
        "watched": None if result.watched is None else result.watched.to_dict(),
    }


def from_dict(document: Any, *, source: str = "the document") -> Result:
    """
    Undo `to_dict`.

    Raises:
        UsageError: it is no such document, one of another version, or damaged.
    """
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _no_result(source)
    if document.get("version") != VERSION:
        raise _other_version(source, document.get("version"))
    try:
        return _result(document)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UsageError(
            f"{source} is the damaged result of a load test",
            cure="Take another copy of it, or measure again",
        ) from error


def _result(document: Mapping[str, Any]) -> Result:
    duration_s = float(document["duration_s"])
    started_at = datetime.fromisoformat(document["started_at"])
    if started_at.tzinfo is None or not duration_s >= 0:
        raise ValueError("a result has an aware start and lasts no negative time")
    return Result(
        target=str(document["target"]),
        load=load_from_dict(document["load"]),
        started_at=started_at,
        planned_s=float(document["planned_s"]),
        duration_s=duration_s,
        interval_s=float(document["interval_s"]),
        steps=tuple(_step_from_dict(step, duration_s) for step in document["steps"]),
        errors=tuple(_error_from_dict(group) for group in document["errors"]),
        offered=int(document["offered"]),
        dropped=int(document["dropped"]),
        unfinished=int(document["unfinished"]),
        unfinished_s=float(document["unfinished_s"]),
        waited=int(document["waited"]),
        connections=int(document["connections"]),
        opened=int(document["opened"]),
        lag=Histogram.from_dict(document["lag"]),
        late=Histogram.from_dict(document["late"]),
        cpu_ratio=None if document["cpu_ratio"] is None else float(document["cpu_ratio"]),
        in_flight=InFlight(
            samples=int(document["in_flight"]["samples"]),
            mean=float(document["in_flight"]["mean"]),
            peak=int(document["in_flight"]["peak"]),
            timeline=tuple(
                None if one is None else float(one) for one in document["in_flight"]["timeline"]
            ),
        ),
        interrupted=bool(document["interrupted"]),
        environment={str(name): str(value) for name, value in document["environment"].items()},
        targets=targets_from_list(document["targets"]),
        generators=tuple(Generator.from_dict(one) for one in document["generators"]),
        lost=int(document["lost"]),
        same_host=bool(document["same_host"]),
        # These are younger than the format: an older file has none of them.
        promises=tuple(Promise.from_dict(one) for one in document.get("promises", ())),
        stopped=_optional(Stopped.from_dict, document.get("stopped")),
        warmup=_optional(Warmup.from_dict, document.get("warmup")),
        watched=_optional(
            partial(Watched.from_dict, interval_s=float(document["interval_s"])),
            document.get("watched"),
        ),
    )


def _step_to_dict(step: StepResult) -> dict[str, Any]:
    return {
        "name": step.name,
        "response": _series_to_dict(step.response),
        "service": _series_to_dict(step.service),
        "timeline": [base64.b64encode(one.to_bytes()).decode() for one in step.timeline],
        "failures": list(step.failures),
        "lag": _series_to_dict(step.lag),
        "phases": {phase: one.to_dict() for phase, one in step.phases.items()},
        "received_bytes": step.received_bytes,
        "redirects": step.redirects,
    }


def _step_from_dict(document: Mapping[str, Any], duration_s: float) -> StepResult:
    name = str(document["name"])
    return StepResult(
        name=name,
        response=_series_from_dict(document["response"], name, duration_s),
        service=_series_from_dict(document["service"], name, duration_s),
        timeline=tuple(
            Histogram.from_bytes(base64.b64decode(one, validate=True))
            for one in document["timeline"]
        ),
        failures=tuple(int(one) for one in document["failures"]),
        lag=_series_from_dict(document["lag"], name, duration_s),
        phases={str(phase): Histogram.from_dict(one) for phase, one in document["phases"].items()},
        received_bytes=_count(document.get("received_bytes")),
        redirects=_count(document.get("redirects")),
    )


def _optional(read: Callable[[Mapping[str, Any]], T], document: Any) -> T | None:
    return None if document is None else read(document)


def _count(value: Any) -> int | None:
    return None if value is None else int(value)


def _series_to_dict(series: Series) -> dict[str, Any]:
    return {"succeeded": series.succeeded.to_dict(), "failed": series.failed.to_dict()}


def _series_from_dict(document: Mapping[str, Any], name: str, duration_s: float) -> Series:
    return Series(
        kind=Kind.STEP,
        name=name,
        window_s=duration_s,
        succeeded=Histogram.from_dict(document["succeeded"]),
        failed=Histogram.from_dict(document["failed"]),
    )


def _error_to_dict(group: ErrorGroup) -> dict[str, Any]:
    return {
        "failure": group.failure.value,
        "step": group.step,
        "detail": group.detail,
        "count": group.count,
        "first_s": group.first_s,
        "last_s": group.last_s,
        "example": group.example,
    }


def _error_from_dict(document: Mapping[str, Any]) -> ErrorGroup:
    return ErrorGroup(
        failure=Failure(document["failure"]),
        step=str(document["step"]),
        detail=str(document["detail"]),
        count=int(document["count"]),
        first_s=float(document["first_s"]),
        last_s=float(document["last_s"]),
        example=str(document["example"]),
    )


def _other_version(source: str, version: object) -> UsageError:
    is_older = isinstance(version, int) and version < VERSION
    return UsageError(
        f"{source} is a result of version {version!r}, and this keiko-perf reads {VERSION}",
        cure=(
            "Measure again, or read it with the keiko-perf that wrote it"
            if is_older
            else "Read it with the keiko-perf that wrote it, or a newer one"
        ),
    )


def _no_result(source: str) -> UsageError:
    return UsageError(
        f"{source} is no result of a load test",
        cure="Name a file that `keiko-perf load run --save` wrote",
    )
