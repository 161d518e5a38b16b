"""
The load engine beside its peers: client CPU per request, accuracy and lateness.

    python benchmarks/loadgen.py [--quick] [--rounds 5] [--slices 4] [--only engine,tls]

Its sections are engine, scenario, tls (CPU per request), lag, accuracy (fixed delays to 1 s), long
(10 s), queue (M/M/1) and freeze.

nginx (one worker) is pinned to the first core and every client to the last. The tools run in turn,
forwards and backwards, each in a process of its own, so that a machine that gets slower for a while
slows all of them down. Such a machine may have two speeds that last for seconds; so a round of the
tools that start at once (ours stays between) is made of several slices of a second, A B B A A B…,
and its figure is their CPU over their requests. CPU is user and system time: of a program its whole
process, of k6 and of ours, which start slowly, the difference of a long and a short run; of other
Python clients what their own process clock says of the run, imports left out. Only the ratios
within a round mean anything: absolute figures drift with the machine, and how busy it was is said.
At the end stands for each bar whether it is MET or MISSED.

nginx, wrk and hey are the machine's (`scripts/system-packages nginx wrk hey`); the other peers are
installed into a virtual environment that is removed afterwards. What is missing is said and left
out.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from loadgen_accuracy import freeze, lag, queue
from loadgen_bars import judged, skipped, summarise
from loadgen_fixed import accuracy, long
from loadgen_peers import CONNECTIONS, Peers, Tool, count_of, peers

BODY = "x" * 96
SECTIONS = ("engine", "scenario", "tls", "lag", "accuracy", "long", "queue", "freeze")
PEERS = ("aiohttp", "httpx", "k6", "locust")
SHORT_S = 1.0
Figures = dict[str, list[float]]
"""CPU per request of each tool, in µs, round by round."""

# client CPU of ours ÷ that of the peer, at most
BARS = {"wrk": 1.1, "hey": 1 / 2.5, "k6": 1 / 6, "aiohttp loop": 0.1, "Locust FastHttpUser": 0.1}
EACH_BAR = 1.35  # of wrk, in the worst round
SCENARIO_BAR = 1.35
TLS_BAR = 1.3


@contextmanager
def nginx(core: int, tls: Path | None = None) -> Iterator[str]:
    """One worker on *core*, serving a short answer from memory; by TLS with what is in *tls*."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        sys.exit("This benchmark needs nginx: scripts/system-packages nginx")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    secured = f"ssl_certificate {tls}/cert.pem; ssl_certificate_key {tls}/key.pem;" if tls else ""
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
            f"http {{ access_log off; keepalive_requests 1000000000; {temporary} server {{"
            f" listen 127.0.0.1:{port}{' ssl' if tls else ''}; {secured}"
            f' location / {{ return 200 "{BODY}"; }} }} }}'
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
            yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


class Runner:
    """Runs tools on the last core, for a URL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._core = max(os.sched_getaffinity(0))
        self._staying: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._staying.values():
            assert process.stdin is not None
            process.stdin.close()
            process.wait()

    def ran(self, tool: Tool, *, seconds: float) -> tuple[float, int]:
        """The CPU seconds and the requests of one run, its start left out."""
        if tool.stays:
            return self._asked(tool, seconds)
        cpu_s, count = self._ran(tool, seconds + (SHORT_S if tool.starts_slowly else 0.0))
        if tool.starts_slowly:
            short_s, short = self._ran(tool, SHORT_S)
            cpu_s, count = cpu_s - short_s, count - short
        return cpu_s, count

    def _asked(self, tool: Tool, seconds: float) -> tuple[float, int]:
        process = self._staying.get(tool.name)
        if process is None:
            process = self._staying[tool.name] = subprocess.Popen(
                tool.command(self._url, seconds),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                preexec_fn=self._pin,  # noqa: PLW1509 - no threads here
            )
        assert process.stdin is not None
        assert process.stdout is not None
        print(seconds, file=process.stdin, flush=True)
        cpu_s, count = process.stdout.readline().split()
        return float(cpu_s), int(count)

    def _ran(self, tool: Tool, seconds: float) -> tuple[float, int]:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            tool.command(self._url, seconds),
            capture_output=True,
            text=True,
            check=True,
            preexec_fn=self._pin,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if tool.requests is None:
            own_s, count = done.stdout.split()
            return float(own_s), int(count)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return cpu_s, count_of(tool, done.stdout)

    def _pin(self) -> None:
        os.sched_setaffinity(0, {self._core})


def compared(
    title: str, tools: Sequence[Tool], url: str, *, options: argparse.Namespace
) -> Figures:
    """Run all in turn; print what each needs for a request, and its ratios to wrk in a round."""
    figures: Figures = {tool.name: [] for tool in tools}
    busy = []
    with Runner(url) as runner:
        for _ in range(options.rounds):
            spent = {tool.name: (0.0, 0) for tool in tools}
            for number in range(options.slices):
                # Forwards and backwards, so that no tool always follows the same one.
                for tool in tools if number % 2 == 0 else reversed(tools):
                    if number and not tool.is_brief:
                        continue
                    seconds = options.seconds / (options.slices if tool.is_brief else 1)
                    cpu_s, count = runner.ran(tool, seconds=seconds)
                    so_far_s, so_far = spent[tool.name]
                    spent[tool.name] = so_far_s + cpu_s, so_far + count
                    busy.append(os.getloadavg()[0])
            for name, (cpu_s, count) in spent.items():
                figures[name].append(cpu_s / count * 1e6)
    base = "wrk" if "wrk" in figures else tools[0].name
    print(
        f"\n{title}: {CONNECTIONS} connections, {options.rounds} rounds of {options.slices} slices,"
        f" client CPU per request; load average {min(busy):.1f} to {max(busy):.1f} on"
        f" {os.cpu_count()} cores"
    )
    print(f"{'tool':<22}{'median':>11}{'÷ ' + base:>12}{'least':>8}{'most':>8}{'÷ ours':>10}")
    for name, values in figures.items():
        ratios = ratios_of(figures, name, base)
        to_ours = [one / other for one, other in zip(values, figures[tools[0].name], strict=True)]
        print(
            f"{name:<22}{statistics.median(values):>8.1f} µs{statistics.median(ratios):>12.2f}"
            f"{min(ratios):>8.2f}{max(ratios):>8.2f}{statistics.median(to_ours):>10.2f}"
        )
    for name in (one for one in figures if one.startswith("keiko-perf")):
        each = " ".join(f"{one:.2f}" for one in ratios_of(figures, name, base))
        print(f"  {name} ÷ {base}, round by round: {each}")
    return figures


def ratios_of(seen: Figures, name: str, other: str) -> list[float]:
    """What one tool needs ÷ what another one does, round by round."""
    return [one / its for one, its in zip(seen[name], seen[other], strict=True)]


def compare(what: str, name: str, seen: Figures, bar: float, most: float | None = None) -> None:
    """Judge the median of the rounds' ratios by its bar, and each of them by *most*."""
    if name not in seen:
        skipped(f"{what} takes at most {bar:.3f} × the CPU of {name}, which is not there")
        return
    ratios = ratios_of(seen, what, name)
    is_met = statistics.median(ratios) <= bar and (most is None or max(ratios) <= most)
    each = "" if most is None else f"; {max(ratios):.2f} × in a round, at most {most:.2f} ×"
    ratio = f"{statistics.median(ratios):.3f} × the CPU of {name}"
    judged(f"{what} takes {ratio}{each}", is_met, f"{bar:.3f} ×")


def certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return folder / "cert.pem"


def of_cpu(found: Peers, sections: Sequence[str], options: argparse.Namespace) -> dict[str, object]:
    """The sections that compare CPU per request."""
    figures: dict[str, object] = {}
    core = min(os.sched_getaffinity(0))
    tools = found.tools()
    with nginx(core) as url:
        if "engine" in sections:
            tools.insert(1, found.ours(kind="scenario"))
            seen = figures["engine"] = compared("Engine", tools, url, options=options)
            for name, bar in BARS.items():
                compare("keiko-perf", name, seen, bar, EACH_BAR if name == "wrk" else None)
            compare("keiko-perf scenario", "wrk", seen, SCENARIO_BAR)
        elif "scenario" in sections:
            chosen = [found.ours(kind="scenario"), *(one for one in tools if one.name == "wrk")]
            seen = figures["scenario"] = compared("Scenario", chosen, url, options=options)
            compare("keiko-perf scenario", "wrk", seen, SCENARIO_BAR)
    if "tls" in sections and shutil.which("openssl"):
        ca_file = certificate(found.folder)
        with nginx(core, found.folder) as url:
            seen = figures["tls"] = compared("TLS", found.tls(ca_file), url, options=options)
            compare("keiko-perf", "wrk", seen, TLS_BAR)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--slices", type=int, default=4, help="of a round")
    parser.add_argument("--seconds", type=float, help="of a tool in a round; wrk has whole seconds")
    parser.add_argument(
        "--quick", action="store_true", help="fewer, shorter runs, wrk and hey only"
    )
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, with commas")
    parser.add_argument("--json", type=Path, help="keep the figures of each round in this file")
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or float(options.slices)
    sections = options.only.split(",")
    if unknown := set(sections) - set(SECTIONS):
        parser.error(f"there is no section {sorted(unknown)[0]!r}")
    for name in ("wrk", "hey"):
        if shutil.which(name) is None:
            print(f"{name} is not installed and left out: scripts/system-packages {name}")
    with peers() as found:
        if not options.quick and {"engine", "freeze"} & set(sections):
            found.install(*(one for one in PEERS if one != "httpx" or "engine" in sections))
        figures = of_cpu(found, sections, options)
        if "lag" in sections:
            figures["lag"] = lag(is_quick=options.quick, rounds=options.rounds)
        for name, section in (("accuracy", accuracy), ("long", long), ("queue", queue)):
            if name in sections:
                figures[name] = section(is_quick=options.quick)
        if "freeze" in sections:
            figures["freeze"] = freeze(found, is_quick=options.quick)
    summarise()
    if options.json:
        options.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
