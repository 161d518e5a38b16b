"""
How a service answers to 50 users at once.

    python examples/load_a_service.py http://127.0.0.1:8000 /api/v1/agents 30
"""

import asyncio
import os
import sys

from keiko_perf import LoadTester


async def main(base_url: str, endpoint: str, seconds: int) -> None:
    tester = LoadTester(base_url, os.environ.get("TOKEN", ""))
    result = await tester.run_load_test(endpoint, concurrent_users=50, duration_seconds=seconds)
    print(
        f"{result.requests_per_second:.0f} requests/s, p95 {result.p95_response_time:.1f} ms, "
        f"{result.error_rate:.2f} % failed"
    )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
