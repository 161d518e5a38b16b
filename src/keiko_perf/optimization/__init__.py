"""
The helpers that one tunes a service with.

Here stand the limiters, the pool, and the guide's front door (`tuner`); `batches`, `caching` and
`memory` have folders.
"""

from keiko_perf.optimization.adaptive import (
    AdaptiveLimiter,
    AdaptiveStatistics,
    Overloaded,
    Place,
)
from keiko_perf.optimization.batches.bar import progress_bar
from keiko_perf.optimization.batches.batch import Batch, Drained, Outcomes
from keiko_perf.optimization.batches.care import Care
from keiko_perf.optimization.batches.crew import BatchStatistics
from keiko_perf.optimization.blocking_advice import advise_blocking, advise_uvloop
from keiko_perf.optimization.caching.advice import CacheAdvisor, advise_caching
from keiko_perf.optimization.caching.cache import Cache
from keiko_perf.optimization.caching.cached import Cached, cached
from keiko_perf.optimization.caching.codec import Codec, JsonCodec, SignedPickle
from keiko_perf.optimization.caching.entry import CacheStatistics
from keiko_perf.optimization.caching.redis_cache import RedisCache, RedisStatistics
from keiko_perf.optimization.checkout import limited_pool
from keiko_perf.optimization.limiter import Limiter, LimiterStatistics, WouldBlock
from keiko_perf.optimization.loader import Loader, LoaderStatistics, NotLoaded
from keiko_perf.optimization.memory.decorator import memory_optimized
from keiko_perf.optimization.memory.governor import MemoryGovernor
from keiko_perf.optimization.memory.growth import Growth, growth_report
from keiko_perf.optimization.memory.optimizer import MemoryOptimizer, MemoryStatistics, MemoryUsage
from keiko_perf.optimization.memory.relief import GovernorStatistics, Relief
from keiko_perf.optimization.memory.size import size_of
from keiko_perf.optimization.memory.startup import Frozen, freeze_after_startup, source_line
from keiko_perf.optimization.memory.tracer import MemoryTracer
from keiko_perf.optimization.operation import Operation
from keiko_perf.optimization.outcome import ItemsFailed, Outcome, WorkCancelled
from keiko_perf.optimization.outgoing import LimitedTransport, limit_requests
from keiko_perf.optimization.overload import LimitConcurrency, answer_overloaded
from keiko_perf.optimization.pool import PoolAdvice, advise_pool
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
    "answer_overloaded",
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
