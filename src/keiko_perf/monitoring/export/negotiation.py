"""
Negotiation: in which format a scrape is answered, by its Accept header. Pure.
"""

from __future__ import annotations

from keiko_perf.monitoring.export.families import View, families
from keiko_perf.monitoring.export.protobuf import PROTOBUF, as_protobuf
from keiko_perf.monitoring.export.text import (
    OPENMETRICS,
    PROMETHEUS,
    as_openmetrics,
    as_prometheus,
)

_MOST = 2048


def answer(view: View, accept: str) -> tuple[str, bytes]:
    """The media type and the body of an answer to a scrape that accepts *accept*."""
    chosen = choose(accept)
    if chosen == PROTOBUF:
        return chosen, as_protobuf(families(view))
    if chosen == OPENMETRICS:
        return chosen, as_openmetrics(families(view), view.since).encode()
    return PROMETHEUS, as_prometheus(families(view)).encode()


def choose(accept: str) -> str:
    """The format that *accept* likes best; Prometheus' text where it names none of them."""
    best, best_q = PROMETHEUS, 0.0
    for part in accept[:_MOST].lower().split(","):
        media, *parameters = (one.strip() for one in part.split(";"))
        given = dict(one.partition("=")[::2] for one in parameters)
        offered = _offered(media, given)
        q = _quality(given.get("q"))
        if offered is not None and q > best_q:
            best, best_q = offered, q
    return best


def _offered(media: str, given: dict[str, str]) -> str | None:
    if media == "application/openmetrics-text":
        return OPENMETRICS
    if media == "text/plain":
        return PROMETHEUS
    is_family = given.get("proto") == "io.prometheus.client.metricfamily"
    is_delimited = given.get("encoding") == "delimited"
    if media == "application/vnd.google.protobuf" and is_family and is_delimited:
        return PROTOBUF
    return None


def _quality(text: str | None) -> float:
    try:
        return 1.0 if text is None else float(text)
    except ValueError:
        return 0.0
