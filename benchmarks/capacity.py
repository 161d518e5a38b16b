"""
Whether the capacity that is found is the true one: a pool of 5 connections, each held for 50 ms.

    python benchmarks/capacity.py

Such a service gets 5 ÷ 50 ms = 100 requests a second done, less what a machine adds to the 50 ms;
the service measures that itself. Printed are the bracket, the ceiling by that hold, and what is
named.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from keiko_perf.loadtest.comparison.served import served

SERVICE = """
import time
from fastapi import FastAPI
from sqlalchemy import QueuePool, create_engine
from keiko_perf import PerformanceMonitor

engine = create_engine("sqlite://", poolclass=QueuePool, pool_size=5, max_overflow=0,
                       connect_args={"check_same_thread": False})
app = FastAPI()
monitor = PerformanceMonitor()
monitor.watch_engine(engine)
monitor.install(app)

@app.get("/pooled")
def pooled():
    with engine.connect():
        time.sleep(0.05)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pooled.py").write_text(SERVICE)
        command = f"{sys.executable} -m uvicorn --app-dir {folder} --log-level error pooled:app"
        with served(command + " --port {port}") as service:
            url = f"http://127.0.0.1:{service.port}"
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "keiko_perf", "load", "capacity", f"{url}/pooled"),
                    *("--slo", "p95<200ms, errors<0.1%", "--watch", url, "--format", "json"),
                    *("--start", "60", "--max", "240", "--step-seconds", "6"),
                ],
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
    told = json.loads(done.stdout)["capacity"]
    print(f"found     {told['found']}, exit code {done.returncode}, {told['steps']} steps")
    print(f"bracket   {told['last_pass_per_s']} to {told['first_fail_per_s']} a second")
    ceiling = told["ceiling_per_s"]
    print(f"ceiling   {ceiling and round(ceiling, 1)} a second, by the hold that was measured")
    print(f"limit     {told['bottleneck']}")


if __name__ == "__main__":
    main()
