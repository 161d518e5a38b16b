"""
keiko-perf finds out why an async Python service is slow, proves the fix, and keeps it fast.

The public names are imported when they are first used, so that `import keiko_perf` needs no
optional package and costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keiko_perf.diagnosis import DatabasePerformanceAnalyzer, QueryOptimizer
    from keiko_perf.errors import KeikoError
    from keiko_perf.loadtest import LoadTester, LoadTestResult
    from keiko_perf.model import (
        Comparison,
        Finding,
        Gap,
        Histogram,
        Outcome,
        Recommendation,
        Report,
        Series,
        Severity,
        Snapshot,
        Target,
        Verdict,
    )
    from keiko_perf.monitoring import (
        MetricsCollector,
        PerformanceKPIs,
        PerformanceMonitor,
        performance_router,
    )
    from keiko_perf.optimization import (
        AsyncPerformanceOptimizer,
        MemoryOptimizer,
        memory_optimized,
    )

__version__: str

__all__ = [
    "AsyncPerformanceOptimizer",
    "Comparison",
    "DatabasePerformanceAnalyzer",
    "Finding",
    "Gap",
    "Histogram",
    "KeikoError",
    "LoadTestResult",
    "LoadTester",
    "MemoryOptimizer",
    "MetricsCollector",
    "Outcome",
    "PerformanceKPIs",
    "PerformanceMonitor",
    "QueryOptimizer",
    "Recommendation",
    "Report",
    "Series",
    "Severity",
    "Snapshot",
    "Target",
    "Verdict",
    "__version__",
    "memory_optimized",
    "performance_router",
]

_HOME = {
    "diagnosis": ("DatabasePerformanceAnalyzer", "QueryOptimizer"),
    "errors": ("KeikoError",),
    "loadtest": ("LoadTestResult", "LoadTester"),
    "model": (
        "Comparison",
        "Finding",
        "Gap",
        "Histogram",
        "Outcome",
        "Recommendation",
        "Report",
        "Series",
        "Severity",
        "Snapshot",
        "Target",
        "Verdict",
    ),
    "monitoring": (
        "MetricsCollector",
        "PerformanceKPIs",
        "PerformanceMonitor",
        "performance_router",
    ),
    "optimization": ("AsyncPerformanceOptimizer", "MemoryOptimizer", "memory_optimized"),
}
_PART_OF = {name: part for part, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version("keiko-perf")
    if name not in _PART_OF:
        raise AttributeError(f"module 'keiko_perf' has no attribute {name!r}")
    return getattr(import_module(f"keiko_perf.{_PART_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
