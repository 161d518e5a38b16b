"""
The load engine beside its peers: client CPU per request, against nginx on one core.

    python benchmarks/loadgen.py [--rounds 5] [--seconds 2]

nginx (one worker) is pinned to the first core and every client to the second. The tools run in
turn, round after round, each in a process of its own, so that a machine that gets slower for a
while slows all of them down. CPU is user and system time: of wrk its whole process, which starts
in a millisecond; of a Python client what its own process clock says of the run, imports left out.
Only the ratios within a round mean anything: absolute figures drift with the machine.

Needs nginx and, for the comparison, wrk and httpx; what is missing is said and left out.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

CONNECTIONS = 50
BODY = "x" * 96

OURS = """
import sys, time
from keiko_perf.loadtest import Plan, Users, run_in_own_loop
plan = Plan(base_url=sys.argv[1], load=Users(int(sys.argv[2])), duration_s=float(sys.argv[3]))
began = time.process_time()
result = run_in_own_loop(plan)
assert not result.errors, result.errors
print(time.process_time() - began, result.response.count)
"""

HTTPX = """
import asyncio, sys, time
import httpx

async def user(client, until):
    done = 0
    while time.perf_counter() < until:
        began = time.perf_counter()
        (await client.get("/")).raise_for_status()
        time.perf_counter() - began
        done += 1
    return done

async def main():
    count = int(sys.argv[2])
    limits = httpx.Limits(max_connections=count, max_keepalive_connections=count)
    async with httpx.AsyncClient(base_url=sys.argv[1], limits=limits, trust_env=False) as client:
        began = time.process_time()
        until = time.perf_counter() + float(sys.argv[3])
        done = await asyncio.gather(*(user(client, until) for _ in range(count)))
        print(time.process_time() - began, sum(done))

asyncio.run(main())
"""

STREAMS = """
import asyncio, sys, time

async def user(host, port, until):
    reader, writer = await asyncio.open_connection(host, port)
    done = 0
    while time.perf_counter() < until:
        writer.write(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        head = await reader.readuntil(b"\\r\\n\\r\\n")
        await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\\r\\n")[0]))
        done += 1
    writer.close()
    return done

async def main():
    host, port = sys.argv[1].removeprefix("http://").split(":")
    began = time.process_time()
    until = time.perf_counter() + float(sys.argv[3])
    done = await asyncio.gather(*(user(host, port, until) for _ in range(int(sys.argv[2]))))
    print(time.process_time() - began, sum(done))

asyncio.run(main())
"""


def python(source: str) -> Callable[[str, float], list[str]]:
    return lambda url, seconds: [sys.executable, "-c", source, url, str(CONNECTIONS), str(seconds)]


def wrk(url: str, seconds: float) -> list[str]:
    return ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", url]


TOOLS = {
    "keiko-perf": python(OURS),
    "wrk": wrk,
    "asyncio streams loop": python(STREAMS),
    "httpx loop": python(HTTPX),
}


@contextmanager
def nginx(core: int) -> Iterator[str]:
    """One worker on *core*, serving a short answer from memory."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        sys.exit("This benchmark needs nginx: apt install nginx-light")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        temporary = " ".join(
            f"{kind}_temp_path {folder}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(
            f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;"
            f"events {{ worker_connections 1024; }}"
            f"http {{ access_log off; keepalive_requests 1000000000; {temporary}"
            f' server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{BODY}"; }} }} }}'
        )
        process = subprocess.Popen(
            [program, "-c", folder / "nginx.conf", "-e", folder / "error.log"],
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),  # noqa: PLW1509 - no threads here
        )
        try:
            while process.poll() is None:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def cpu_us(command: list[str], core: int) -> float:
    """Client CPU per request of one run, in µs."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if found := re.search(r"(\d+) requests in", done.stdout):
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return cpu_s / int(found[1]) * 1e6
    own_s, count = done.stdout.split()
    return float(own_s) / int(count) * 1e6


def available() -> dict[str, Callable[[str, float], list[str]]]:
    tools = dict(TOOLS)
    if shutil.which("wrk") is None:
        print("wrk is not installed: apt install wrk. It is left out.")
        del tools["wrk"]
    try:
        import httpx  # noqa: F401 - only whether it is there
    except ImportError:
        print("httpx is not installed: pip install httpx. It is left out.")
        del tools["httpx loop"]
    return tools


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run")
    parser.add_argument("--json", type=Path, help="keep the figures of each round in this file")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    tools = available()
    figures: dict[str, list[float]] = {name: [] for name in tools}
    with nginx(cores[0]) as url:
        for number in range(options.rounds):
            # Forwards and backwards, so that no tool always follows the same one.
            for name in list(tools) if number % 2 == 0 else reversed(list(tools)):
                command = tools[name](url, options.seconds)
                figures[name].append(cpu_us(command, cores[-1]))
    base = "wrk" if "wrk" in tools else "keiko-perf"
    print(f"{CONNECTIONS} connections, {options.rounds} rounds, client CPU per request")
    print(f"{'tool':<22}{'median':>10}{'÷ ' + base:>12}{'least':>8}{'most':>8}")
    for name, values in figures.items():
        ratios = [value / other for value, other in zip(values, figures[base], strict=True)]
        print(
            f"{name:<22}{statistics.median(values):>7.1f} µs{statistics.median(ratios):>12.2f}"
            f"{min(ratios):>8.2f}{max(ratios):>8.2f}"
        )
    if options.json:
        options.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
