"""
What a PostgreSQL spends its time on, and which index would help. It only reads.

    python examples/diagnose_a_database.py postgresql+psycopg://me@localhost/app
"""

import asyncio
import sys

from sqlalchemy.ext.asyncio import create_async_engine

from keiko_perf import DatabasePerformanceAnalyzer, QueryOptimizer


async def main(url: str) -> None:
    engine = create_async_engine(url)
    analyzer = DatabasePerformanceAnalyzer(engine)
    for statement in await analyzer.analyze_slow_queries(min_duration_ms=100):
        print(f"{statement['mean_exec_time_ms']:8.1f} ms  {statement['query']}")
    for index in await analyzer.analyze_missing_indexes():
        print(index["suggested_index"])
    plan = await QueryOptimizer(engine).analyze_query_plan("SELECT count(*) FROM pg_class")
    print(f"{plan['execution_time']} ms:", *plan["recommendations"])
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
