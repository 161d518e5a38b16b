"""
OTLP: families as OpenTelemetry's metrics in OTLP's JSON form. Pure.

Histograms are exponential ones of scale 6, which is what ours are: nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from keiko_perf.model import Histogram
from keiko_perf.model.codec import SCALE
from keiko_perf.model.histogram import LOWEST_S
from keiko_perf.monitoring.export.families import Family, Labels, Sample, Sort

_CUMULATIVE = 2
_UNITS = {"seconds": "s", "bytes": "By", "ratio": "1"}


def as_otlp(
    families: Iterable[Family],
    *,
    since: datetime,
    now: datetime,
    resource: Mapping[str, str],
    version: str,
) -> dict[str, Any]:
    """
    An ExportMetricsServiceRequest.

    Args:
        families: what is exported.
        since: when counting began, aware UTC.
        now: when this was read.
        resource: what is measured, such as `service.name`.
        version: of this package.
    """
    span = {"startTimeUnixNano": _nano(since), "timeUnixNano": _nano(now)}
    metrics = [_metric(one, span) for one in families]
    scope = {"name": "keiko_perf", "version": version}
    return {
        "resourceMetrics": [
            {
                "resource": {"attributes": _attributes(tuple(resource.items()))},
                "scopeMetrics": [{"scope": scope, "metrics": metrics}],
            }
        ]
    }


def _metric(family: Family, span: Mapping[str, str]) -> dict[str, Any]:
    metric: dict[str, Any] = {
        "name": _dotted(family),
        "description": family.help,
        "unit": _UNITS.get(family.unit, "1"),
    }
    points = [_point(one, span) for one in family.samples]
    if family.sort is Sort.HISTOGRAM:
        temporal = {"aggregationTemporality": _CUMULATIVE}
        return metric | {"exponentialHistogram": {"dataPoints": points, **temporal}}
    if family.sort is Sort.COUNTER:
        summed = {"aggregationTemporality": _CUMULATIVE, "isMonotonic": True}
        return metric | {"sum": {"dataPoints": points, **summed}}
    return metric | {"gauge": {"dataPoints": points}}


def _point(sample: Sample, span: Mapping[str, str]) -> dict[str, Any]:
    point: dict[str, Any] = {"attributes": _attributes(sample.labels), **span}
    if not isinstance(sample.value, Histogram):
        return point | {"asDouble": sample.value}
    histogram, document = sample.value, sample.value.to_dict()
    counts = [str(count) for count in document["counts"]]
    if histogram.above:
        counts.append(str(histogram.above))
    point |= {
        "count": str(histogram.count),
        "sum": histogram.sum_s,
        "scale": SCALE,
        "zeroCount": str(histogram.below),
        "zeroThreshold": LOWEST_S,
        "positive": {"offset": document["offset"], "bucketCounts": counts},
    }
    if histogram:
        point |= {"min": histogram.min_s, "max": histogram.max_s}
    return point


def _attributes(labels: Labels) -> list[dict[str, Any]]:
    return [
        {"key": _dots(name), "value": {"stringValue": value.encode("utf-8", "replace").decode()}}
        for name, value in labels
    ]


_DOTS = {
    "http_request_method": "http.request.method",
    "http_route": "http.route",
    "error_type": "error.type",
    "db_query_text": "db.query.text",
    "db_client_connection_pool_name": "db.client.connection.pool.name",
    "http_server_request_duration": "http.server.request.duration",
    "http_server_active_requests": "http.server.active_requests",
    "db_client_operation_duration": "db.client.operation.duration",
    "db_client_connection_wait_time": "db.client.connection.wait_time",
    "db_client_connection_use_time": "db.client.connection.use_time",
    "process_cpu_utilization": "process.cpu.utilization",
    "process_memory_usage": "process.memory.usage",
    "process_open_file_descriptors": "process.open_file_descriptor.count",
    "process_threads": "process.thread.count",
}


def _dotted(family: Family) -> str:
    """The name with its dots and without its unit, as OpenTelemetry has it."""
    name = family.name.removesuffix(f"_{family.unit}") if family.unit else family.name
    return _dots(name)


def _dots(name: str) -> str:
    return _DOTS.get(name) or (
        f"keiko.{name.removeprefix('keiko_')}" if name.startswith("keiko_") else name
    )


def _nano(at: datetime) -> str:
    return str(round(at.timestamp() * 1e6) * 1000)
