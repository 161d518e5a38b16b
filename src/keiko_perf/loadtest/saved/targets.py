"""
Saved targets: what was promised of a run, in JSON's types, as a part of a saved result.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from keiko_perf.loadtest.verdicts.inside import kpi_named
from keiko_perf.model import Severity, Target
from keiko_perf.model.kpi import (
    ERROR_RATIO,
    LATENCY_P50,
    LATENCY_P95,
    LATENCY_P99,
    THROUGHPUT,
    Kpi,
    latency_quantile,
)

_KNOWN = {kpi.name: kpi for kpi in (ERROR_RATIO, LATENCY_P50, LATENCY_P95, LATENCY_P99, THROUGHPUT)}
_QUANTILE = re.compile(r"latency_p(\d{1,2}(?:_\d+)?)_s")


def targets_to_list(targets: Iterable[Target]) -> list[dict[str, Any]]:
    """Each target in JSON's types."""
    return [
        {
            "kpi": target.kpi.name,
            "at_most": target.at_most,
            "at_least": target.at_least,
            "subject": target.subject,
            "severity": target.severity.name.lower(),
        }
        for target in targets
    ]


def targets_from_list(documents: Iterable[Mapping[str, Any]]) -> tuple[Target, ...]:
    """
    Undo `targets_to_list`.

    Raises:
        KeyError, TypeError, ValueError: it is no such list.
    """
    return tuple(
        Target(
            kpi=_kpi(document["kpi"]),
            at_most=_limit(document["at_most"]),
            at_least=_limit(document["at_least"]),
            subject=None if document["subject"] is None else str(document["subject"]),
            severity=Severity[str(document["severity"]).upper()],
        )
        for document in documents
    )


def _kpi(name: str) -> Kpi:
    if name in _KNOWN:
        return _KNOWN[name]
    found = _QUANTILE.fullmatch(name)
    if found is not None:
        return latency_quantile(float(found[1].replace("_", ".")) / 100)
    inside = kpi_named(name)
    if inside is None:
        raise ValueError(f"no load test has the figure {name!r}")
    return inside


def _limit(value: Any) -> float | None:
    return None if value is None else float(value)
