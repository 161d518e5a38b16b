"""
Peers: the load generators that ours is compared with, and how each is asked and understood.

Python peers and k6 go into a virtual environment of their own, which is removed afterwards; wrk
and hey come from the machine. What is missing is said and left out.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 50

# A process that stays, and does one slice of load for each line that it reads. The shortest run is
# taken from it, so that what counts is what a request more costs.
OURS = """
import sys, time
from dataclasses import replace
from keiko_perf.loadtest import Plan, Users, run_in_own_loop
from keiko_perf.loadtest.users import crew  # the engine imports them when it runs
from keiko_perf.loadtest.http import http1  # the engine imports them when it runs
from keiko_perf.loadtest.users.scenario import scenario
from keiko_perf.loadtest.target import Tls

@scenario
async def ask(user):
    await user.get("/")

url, users, kind, ca_file = sys.argv[1:]
plan = Plan(base_url=url, load=Users(int(users)), duration_s=1.0, tls=Tls(ca_file=ca_file),
            scenarios=(ask,) if kind == "scenario" else ())

def asked(seconds):
    began = time.process_time()
    result = run_in_own_loop(replace(plan, duration_s=seconds))
    assert not result.errors, result.errors
    return time.process_time() - began, result.response.count

asked(0.3)
for line in sys.stdin:
    short_s, short = asked(0.05)
    whole_s, whole = asked(float(line))
    print(whole_s - short_s, whole - short, flush=True)
"""

# Each request of an httpx client looks at every connection of its pool, some of them by a system
# call: with one client for all users it costs several times what it costs with a client each.
HTTPX = """
import asyncio, contextlib, sys, time
import httpx

async def user(client, until):
    done = 0
    while time.perf_counter() < until:
        (await client.get("/")).raise_for_status()
        done += 1
    return done

async def main():
    count, is_shared = int(sys.argv[2]), {is_shared}
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(
                base_url=sys.argv[1], trust_env=False, verify=False,
                limits=httpx.Limits(max_connections=count, max_keepalive_connections=count)))
            for _ in range(1 if is_shared else count)
        ]
        began = time.process_time()
        until = time.perf_counter() + float(sys.argv[3])
        users = [user(clients[number % len(clients)], until) for number in range(count)]
        done = await asyncio.gather(*users)
        print(time.process_time() - began, sum(done))

asyncio.run(main())
"""

AIOHTTP = """
import asyncio, sys, time
import aiohttp

async def user(client, until):
    done = 0
    while time.perf_counter() < until:
        began = time.perf_counter()
        async with client.get("/") as answer:
            await answer.read()
        time.perf_counter() - began
        done += 1
    return done

async def main():
    count = int(sys.argv[2])
    connector = aiohttp.TCPConnector(limit=count)
    async with aiohttp.ClientSession(sys.argv[1], connector=connector) as client:
        began = time.process_time()
        until = time.perf_counter() + float(sys.argv[3])
        done = await asyncio.gather(*(user(client, until) for _ in range(count)))
        print(time.process_time() - began, sum(done))

asyncio.run(main())
"""

LOCUST = """
import gevent.monkey
gevent.monkey.patch_all()
import sys, time
import gevent
from locust import FastHttpUser, HttpUser, constant, task
from locust.env import Environment

class Asker({user}):
    wait_time = constant(0)
    host = sys.argv[1]

    @task
    def ask(self):
        self.client.get("/")

env = Environment(user_classes=[Asker])
runner = env.create_local_runner()
runner.start(int(sys.argv[2]), spawn_rate=int(sys.argv[2]))
gevent.sleep(0.5)
began, before = time.process_time(), env.stats.total.num_requests
gevent.sleep(float(sys.argv[3]))
print(time.process_time() - began, env.stats.total.num_requests - before)
sys.stdout.flush()
import os
os._exit(0)
"""

K6 = """
import http from 'k6/http';
export const options = {{vus: {users}, duration: '{seconds}s', discardResponseBodies: true}};
export default function () {{ http.get('{url}/'); }}
"""


@dataclass(frozen=True)
class Tool:
    """
    Attributes:
        name: in the table.
        command: for a URL and a number of seconds.
        requests: reads how many there were from what it printed; None where it prints its own CPU
            seconds and their number.
        starts_slowly: its start costs CPU, so a short run is taken from a long one.
        is_brief: a round can have several slices of it, since it starts at once or stays.
        stays: it is started once, reads how many seconds to run and prints as above, line by line.
    """

    name: str
    command: Callable[[str, float], list[str]]
    requests: str | None = None
    starts_slowly: bool = False
    is_brief: bool = False
    stays: bool = False


class Peers:
    """The tools that are there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "peers/bin/python"
        self.k6 = folder / "peers/bin/k6"

    def install(self, *packages: str) -> None:
        """Into the virtual environment; said if it does not work."""
        if not self.python.exists():
            venv.create(self.folder / "peers", with_pip=True)
        for package in packages:
            print(f"Installing {package}…", file=sys.stderr)
            done = subprocess.run(
                [self.python, "-m", "pip", "install", "--quiet", package],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                print(f"{package} cannot be installed and is left out.", file=sys.stderr)

    def has(self, module: str) -> bool:
        return (
            self.python.exists()
            and subprocess.run(
                [self.python, "-c", f"import {module}"], capture_output=True, check=False
            ).returncode
            == 0
        )

    def tools(self) -> list[Tool]:
        """Ours first, then every peer that is there."""
        tools = [self.ours(), *_wrk()]
        if shutil.which("hey"):
            tools.append(Tool("hey", hey, r"\[200\]\s+(\d+) responses", is_brief=True))
        if self.k6.exists():
            tools.append(Tool("k6", self._k6, r"http_reqs\.*:?\s+(\d+)", starts_slowly=True))
        for name, module, source in (
            ("aiohttp loop", "aiohttp", AIOHTTP),
            ("httpx, a client each", "httpx", HTTPX.format(is_shared=False)),
            ("httpx, one client", "httpx", HTTPX.format(is_shared=True)),
            ("Locust FastHttpUser", "locust", LOCUST.format(user="FastHttpUser")),
            ("Locust HttpUser", "locust", LOCUST.format(user="HttpUser")),
        ):
            if self.has(module):
                tools.append(Tool(name, self._theirs(source)))
        return tools

    def ours(self, *, kind: str = "plain", ca_file: Path | str = "") -> Tool:
        """The engine with one request, or with a user's coroutine."""

        def command(url: str, _seconds: float) -> list[str]:
            return [sys.executable, "-c", OURS, url, str(CONNECTIONS), kind, str(ca_file)]

        name = "keiko-perf" if kind == "plain" else f"keiko-perf {kind}"
        return Tool(name, command, is_brief=True, stays=True)

    def tls(self, ca_file: Path) -> list[Tool]:
        return [self.ours(ca_file=ca_file), *_wrk()]

    def _theirs(self, source: str) -> Callable[[str, float], list[str]]:
        return lambda url, seconds: [
            str(self.python), "-W", "ignore", "-c", source, url, str(CONNECTIONS), str(seconds)
        ]  # fmt: skip

    def _k6(self, url: str, seconds: float) -> list[str]:
        script = self.folder / f"k6-{seconds}.js"
        script.write_text(K6.format(users=CONNECTIONS, seconds=seconds, url=url))
        return [str(self.k6), "run", "--quiet", "--no-usage-report", str(script)]


def _wrk() -> list[Tool]:
    return [Tool("wrk", wrk, r"(\d+) requests in", is_brief=True)] if shutil.which("wrk") else []


def wrk(url: str, seconds: float) -> list[str]:
    return ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", url]


def hey(url: str, seconds: float) -> list[str]:
    return ["hey", "-z", f"{seconds}s", "-c", str(CONNECTIONS), "-cpus", "1", url]


def count_of(tool: Tool, printed: str) -> int:
    """How many requests a tool says that it sent."""
    assert tool.requests is not None
    found = re.search(tool.requests, printed)
    if found is None:
        raise RuntimeError(f"{tool.name} said:\n{printed}")
    return int(found[1])


@contextmanager
def peers() -> Iterator[Peers]:
    """A folder for what peers need, removed afterwards."""
    with tempfile.TemporaryDirectory() as name:
        yield Peers(Path(name))
