"""The helpers that one tunes a service with."""

from keiko_perf.optimization.adaptive import (
    AdaptiveLimiter,
    AdaptiveStatistics,
    Overloaded,
    Place,
)
from keiko_perf.optimization.bar import progress_bar
from keiko_perf.optimization.batch import Batch, Drained, Outcomes
from keiko_perf.optimization.blocking_advice import advise_blocking, advise_uvloop
from keiko_perf.optimization.cache import Cache
from keiko_perf.optimization.cache_advice import CacheAdvisor, advise_caching
from keiko_perf.optimization.cache_entry import CacheStatistics
from keiko_perf.optimization.cached import Cached, cached
from keiko_perf.optimization.care import Care
from keiko_perf.optimization.checkout import limited_pool
from keiko_perf.optimization.codec import Codec, JsonCodec, SignedPickle
from keiko_perf.optimization.crew import BatchStatistics
from keiko_perf.optimization.database import Operation
from keiko_perf.optimization.decorator import memory_optimized
from keiko_perf.optimization.governor import MemoryGovernor
from keiko_perf.optimization.growth import Growth, growth_report
from keiko_perf.optimization.limiter import Limiter, LimiterStatistics, WouldBlock
from keiko_perf.optimization.loader import Loader, LoaderStatistics, NotLoaded
from keiko_perf.optimization.memory import MemoryOptimizer, MemoryStatistics, MemoryUsage
from keiko_perf.optimization.outcome import ItemsFailed, Outcome, WorkCancelled
from keiko_perf.optimization.outgoing import LimitedTransport, limit_requests
from keiko_perf.optimization.overload import LimitConcurrency
from keiko_perf.optimization.pool import PoolAdvice, advise_pool
from keiko_perf.optimization.redis_cache import RedisCache, RedisStatistics
from keiko_perf.optimization.relief import GovernorStatistics, Relief
from keiko_perf.optimization.size import size_of
from keiko_perf.optimization.startup import Frozen, freeze_after_startup, source_line
from keiko_perf.optimization.tracer import MemoryTracer
from keiko_perf.optimization.transaction import RolledBack
from keiko_perf.optimization.tuner import AsyncPerformanceOptimizer

__all__ = [
    "AdaptiveLimiter",
    "AdaptiveStatistics",
    "AsyncPerformanceOptimizer",
    "Batch",
    "BatchStatistics",
    "Cache",
    "CacheAdvisor",
    "CacheStatistics",
    "Cached",
    "Care",
    "Codec",
    "Drained",
    "Frozen",
    "GovernorStatistics",
    "Growth",
    "ItemsFailed",
    "JsonCodec",
    "LimitConcurrency",
    "LimitedTransport",
    "Limiter",
    "LimiterStatistics",
    "Loader",
    "LoaderStatistics",
    "MemoryGovernor",
    "MemoryOptimizer",
    "MemoryStatistics",
    "MemoryTracer",
    "MemoryUsage",
    "NotLoaded",
    "Operation",
    "Outcome",
    "Outcomes",
    "Overloaded",
    "Place",
    "PoolAdvice",
    "RedisCache",
    "RedisStatistics",
    "Relief",
    "RolledBack",
    "SignedPickle",
    "WorkCancelled",
    "WouldBlock",
    "advise_blocking",
    "advise_caching",
    "advise_pool",
    "advise_uvloop",
    "cached",
    "freeze_after_startup",
    "growth_report",
    "limit_requests",
    "limited_pool",
    "memory_optimized",
    "progress_bar",
    "size_of",
    "source_line",
]
