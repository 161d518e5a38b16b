"""What other tools read: true figures under the agreed names, in each format."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.monitoring.export.exported import T0, read_families, view

from keiko_perf.model import Histogram
from keiko_perf.monitoring.export.families import families
from keiko_perf.monitoring.export.negotiation import choose
from keiko_perf.monitoring.export.otlp import as_otlp
from keiko_perf.monitoring.export.protobuf import PROTOBUF, as_protobuf
from keiko_perf.monitoring.export.text import OPENMETRICS, PROMETHEUS, as_openmetrics, as_prometheus


def test_prometheus_text_has_the_semantic_names_and_exact_counts():
    lines = as_prometheus(families(view())).splitlines()
    labels = 'http_request_method="GET",http_route="/agents/{id}"'
    name = "http_server_request_duration_seconds"
    assert f"# TYPE {name} histogram" in lines
    for bound, within in (("0.005", 1), ("0.025", 3), ("0.25", 3), ("0.5", 4), ("+Inf", 5)):
        assert f'{name}_bucket{{{labels},le="{bound}"}} {within}' in lines
    assert f"{name}_count{{{labels}}} 5" in lines
    assert f"{name}_sum{{{labels}}} 20.344" in lines
    assert f'{name}_count{{{labels},error_type="5xx"}} 1' in lines
    assert f'{name}_count{{http_request_method="_OTHER",http_route="(other)"}} 1' in lines
    assert f"keiko_http_server_sent_bytes_total{{{labels}}} 4096.0" in lines
    assert "keiko_arrived_total 6.0" in lines
    assert "keiko_tasks_total 2.0" in lines  # and not keiko_tasks_total_total
    quoted = 'db_query_text="SELECT \\"name\\" FROM agents WHERE id = $1"'
    assert f"db_client_operation_duration_seconds_count{{{quoted}}} 1" in lines


def test_openmetrics_says_units_and_since_when_and_ends():
    lines = as_openmetrics(families(view()), T0).splitlines()
    assert lines[-1] == "# EOF"
    assert "# UNIT http_server_request_duration_seconds seconds" in lines
    assert "# TYPE keiko_http_server_sent_bytes counter" in lines
    assert "# TYPE keiko_build info" in lines
    assert f"keiko_arrived_created {T0.timestamp()!r}" in lines


def test_a_value_that_would_break_a_line_is_escaped_and_a_long_one_is_cut():
    def named(name):
        one = replace(view().totals.series[2], name=name)
        return as_prometheus(families(view(totals=replace(view().totals, series=(one,)))))

    assert 'db_query_text="a\\\\b\\nc"' in named("a\\b\nc")
    assert "\\udcff" not in named("a\udcffb")
    long, other = (named("x" * 900 + end) for end in ("1", "2"))
    assert max(map(len, long.splitlines())) < 500
    assert long != other


@pytest.mark.parametrize(
    ("accept", "format"),
    [
        ("", PROMETHEUS),
        ("*/*", PROMETHEUS),
        ("text/html", PROMETHEUS),
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", OPENMETRICS),
        ("text/plain;q=0.9,application/openmetrics-text;q=0.8", PROMETHEUS),
        (f"{PROTOBUF},text/plain;q=0.5", PROTOBUF),
        ("application/vnd.google.protobuf;q=1", PROMETHEUS),
        ("application/openmetrics-text;q=nonsense", PROMETHEUS),
    ],
)
def test_a_scrape_gets_the_format_that_it_likes_best(accept, format):
    assert choose(accept) == format


def test_the_protobuf_form_is_read_by_a_reader_of_its_own():
    decoded = list(read_families(as_protobuf(families(view()))))
    by_name = {name: metrics for name, _, metrics in decoded}
    histogram = by_name["http_server_request_duration_seconds"][0]
    assert histogram["labels"] == {"http_request_method": "GET", "http_route": "/agents/{id}"}
    assert histogram["schema"] == 6
    original = view().totals.series[0].succeeded
    expected = {upper: count for _, upper, count in original.buckets()}
    assert histogram["count"] == original.count
    assert histogram["sum"] == original.sum_s
    assert {round(2 ** (index / 64), 9): n for index, n in histogram["buckets"].items()} == {
        round(upper, 9): n for upper, n in expected.items()
    }


def test_durations_beyond_the_buckets_are_in_the_native_histogram_as_well():
    edges = Histogram([0.0, 1e-7, 0.5, 4000.0])
    series = replace(view().totals.series[0], succeeded=edges, failed=Histogram())
    totals = replace(view().totals, series=(series,))
    ((_, _, (metric,)), *_) = read_families(as_protobuf(families(view(totals=totals))))
    assert metric["zero"] == 2
    assert metric["zero"] + sum(metric["buckets"].values()) == metric["count"] == 4


def test_otlp_is_what_opentelemetrys_own_messages_take_and_loses_nothing():
    metrics = pytest.importorskip("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")
    from google.protobuf import json_format

    document = as_otlp(
        families(view()), since=T0, now=T0, resource={"service.name": "agents"}, version="1"
    )
    request = metrics.ExportMetricsServiceRequest()
    json_format.Parse(json.dumps(document), request)
    (resource,) = request.resource_metrics
    by_name = {one.name: one for one in resource.scope_metrics[0].metrics}
    duration = by_name["http.server.request.duration"]
    point = duration.exponential_histogram.data_points[0]
    original = view().totals.series[0].succeeded
    assert (duration.unit, point.scale, point.count) == ("s", 6, original.count)
    assert list(point.positive.bucket_counts) == original.to_dict()["counts"]
    assert point.positive.offset == original.to_dict()["offset"]
    assert {one.key for one in point.attributes} == {"http.request.method", "http.route"}
    assert by_name["keiko.http_server_sent"].sum.is_monotonic
