"""
A thousand items, ten at a time; the one that fails is known, and the others are done.

    python examples/process_a_batch.py
"""

import asyncio

from keiko_perf import AsyncPerformanceOptimizer


async def enrich(number: int) -> int:
    await asyncio.sleep(0.001)
    if number == 666:
        raise LookupError(f"no record {number}")
    return number * 2


async def main() -> None:
    optimizer = AsyncPerformanceOptimizer(max_concurrent=10)
    results = await optimizer.batch_process_with_concurrency(
        range(1000), enrich, return_exceptions=True
    )
    failed = [one for one in results if isinstance(one, Exception)]
    print(f"{len(results) - len(failed)} done, {len(failed)} failed: {failed[0]}")


if __name__ == "__main__":
    asyncio.run(main())
