"""
The nine targets of a service, in the units in which people agree on them.

Milliseconds and per cent stand here and at the guide's other front doors only: `targets()` turns
them into the model's targets, in seconds and ratios. Each target has a check's name, by which
health, alerts and the dashboard speak of it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from keiko_perf.errors import UsageError
from keiko_perf.model import Kpi, Severity, Target
from keiko_perf.model.kpi import (
    CPU_RATIO,
    ERROR_RATIO,
    LATENCY_P95,
    LATENCY_P99,
    MEMORY_RATIO,
    POOL_RATIO,
    TASK_FAILURE_RATIO,
    TASKS_PER_MINUTE,
    THROUGHPUT,
)

_CHECKS: dict[str, Kpi] = {
    "api_response_time": LATENCY_P95,
    "api_response_time_p99": LATENCY_P99,
    "throughput": THROUGHPUT,
    "tasks_per_minute": TASKS_PER_MINUTE,
    "cpu_usage": CPU_RATIO,
    "memory_usage": MEMORY_RATIO,
    "database_connections": POOL_RATIO,
    "error_rate": ERROR_RATIO,
    "task_failure_rate": TASK_FAILURE_RATIO,
}
_CHECK_OF = {kpi.name: check for check, kpi in _CHECKS.items()}
_MOST = 1e15
"""Of anything. What is more is no promise, and beyond what floats and JSON are sure of."""

_PER_CENT = (
    "cpu_usage_max",
    "memory_usage_max",
    "database_connections_max",
    "error_rate_max",
    "task_failure_rate_max",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceKPIs:
    """
    What a service promises about itself.

    Attributes:
        api_response_time_p95: ms, at most.
        api_response_time_p99: ms, at most.
        requests_per_second: at least, where that many are asked for.
        tasks_per_minute: at least, where that many are asked for.
        cpu_usage_max: % of the processors that the service may use.
        memory_usage_max: % of the memory that it may use.
        database_connections_max: % of the connection pool, overflow included.
        error_rate_max: % of the requests.
        task_failure_rate_max: % of the runs of background tasks.

    Raises:
        UsageError: a value is no finite number from 0 on, or a share is over 100 %.
    """

    api_response_time_p95: float = 200.0
    api_response_time_p99: float = 500.0
    requests_per_second: float = 1000.0
    tasks_per_minute: float = 500.0
    cpu_usage_max: float = 70.0
    memory_usage_max: float = 80.0
    database_connections_max: float = 80.0
    error_rate_max: float = 0.1
    task_failure_rate_max: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            _refuse_senseless(field.name, getattr(self, field.name))

    def targets(self) -> tuple[Target, ...]:
        """The nine promises, response time first, in seconds, ratios, 1/s and 1/min."""
        return (
            Target(kpi=LATENCY_P95, at_most=self.api_response_time_p95 / 1000),
            Target(kpi=LATENCY_P99, at_most=self.api_response_time_p99 / 1000),
            Target(kpi=THROUGHPUT, at_least=self.requests_per_second),
            Target(kpi=TASKS_PER_MINUTE, at_least=self.tasks_per_minute),
            Target(kpi=CPU_RATIO, at_most=self.cpu_usage_max / 100, severity=Severity.WARNING),
            Target(
                kpi=MEMORY_RATIO, at_most=self.memory_usage_max / 100, severity=Severity.WARNING
            ),
            Target(kpi=POOL_RATIO, at_most=self.database_connections_max / 100),
            Target(kpi=ERROR_RATIO, at_most=self.error_rate_max / 100),
            Target(kpi=TASK_FAILURE_RATIO, at_most=self.task_failure_rate_max / 100),
        )


def check_name(target: Target) -> str:
    """
    What health and alerts call *target*: one of the guide's names, or the KPI's own.

    A target of one route or task adds it in brackets: `api_response_time[GET /agents]`.
    """
    name = _CHECK_OF.get(target.kpi.name, target.kpi.name)
    return name if target.subject is None else f"{name}[{target.subject}]"


def checks(*targets: Target) -> dict[str, Target]:
    """The targets by their check's name; of two with the same name the later one holds."""
    return {check_name(target): target for target in targets}


def _refuse_senseless(name: str, value: object) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        example = 70.0 if name in _PER_CENT else 200.0
        raise UsageError(
            f"{name} is a number, not {value!r}", cure=f"Give it as in {name}={example}"
        )
    if not 0 <= value <= _MOST:
        raise UsageError(
            f"{name} is a finite number from 0 on, not {str(value)[:40]}",
            cure=f"Leave {name} out to take the default",
        )
    if name in _PER_CENT and value > 100:
        raise UsageError(
            f"{name} is a share in per cent, at most 100, not {value!r}",
            cure="Give 70.0 for 70 %",
        )
