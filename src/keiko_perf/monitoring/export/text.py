"""
Text: families in Prometheus' text format 0.0.4, and in OpenMetrics 1.0. Pure.

Histograms have the bounds that OpenTelemetry advises. A duration that lies within 1.1 % above a
bound may be counted as if it did not exceed it: the buckets beneath are that wide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from math import inf, isinf, isnan

from keiko_perf.model import Histogram
from keiko_perf.monitoring.export.families import Family, Labels, Sort

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""OpenTelemetry's advice for the duration of requests, in seconds."""


def as_prometheus(families: Iterable[Family]) -> str:
    """Prometheus' text format."""
    lines: list[str] = []
    for family in families:
        name = f"{family.name}_total" if family.sort is Sort.COUNTER else family.name
        lines.append(f"# HELP {name} {_help(family.help)}")
        lines.append(f"# TYPE {name} {family.sort.value}")
        lines += _samples(family)
    return "\n".join(lines) + "\n"


def as_openmetrics(families: Iterable[Family], since: datetime) -> str:
    """OpenMetrics; *since* says when counting began."""
    created = _number(since.timestamp())
    lines: list[str] = []
    for family in families:
        info = family.name.endswith("_info")
        name = family.name.removesuffix("_info") if info else family.name
        lines.append(f"# TYPE {name} {'info' if info else family.sort.value}")
        if family.unit:
            lines.append(f"# UNIT {name} {family.unit}")
        lines.append(f"# HELP {name} {_help(family.help)}")
        lines += _samples(family, created)
    return "\n".join([*lines, "# EOF"]) + "\n"


def _samples(family: Family, created: str | None = None) -> Iterator[str]:
    for one in family.samples:
        if isinstance(one.value, Histogram):
            yield from _histogram(family.name, one.labels, one.value)
        elif family.sort is Sort.COUNTER:
            yield f"{family.name}_total{_braces(one.labels)} {_number(one.value)}"
        else:
            yield f"{family.name}{_braces(one.labels)} {_number(one.value)}"
        if created is not None and family.sort is not Sort.GAUGE:
            yield f"{family.name}_created{_braces(one.labels)} {created}"


def _histogram(name: str, labels: Labels, histogram: Histogram) -> Iterator[str]:
    count = histogram.count
    for bound in BOUNDS_S:
        within = count - histogram.count_above(bound)
        yield f"{name}_bucket{_braces((*labels, ('le', _number(bound))))} {within}"
    yield f"{name}_bucket{_braces((*labels, ('le', '+Inf')))} {count}"
    yield f"{name}_sum{_braces(labels)} {_number(histogram.sum_s)}"
    yield f"{name}_count{_braces(labels)} {count}"


def _braces(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    value = value.encode("utf-8", "replace").decode()  # a path may hold lone surrogates
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    if isnan(value):
        return "NaN"
    if isinf(value):
        return "+Inf" if value == inf else "-Inf"
    # A whole number stands as OpenMetrics wants a bound: with its point.
    return repr(float(value))
