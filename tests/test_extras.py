"""Without the optional packages: whatever needs one says which extra brings it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PARTS = [
    "",
    ".doctor",
    ".monitoring",
    ".diagnosis",
    ".optimization",
    ".loadtest",
    ".render",
    ".model",
]
# No extra is installed: as in a fresh environment, these packages cannot be found.
BARE = """
import sys

class Nowhere:
    extras = (
        "fastapi starlette uvicorn sqlalchemy psycopg pglast uvloop httptools apprise mcp".split()
    )

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.extras:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Nowhere())
"""


def run_bare(code: str) -> subprocess.CompletedProcess[str]:
    """Runs *code* where no extra is installed."""
    return subprocess.run(  # its own interpreter, since imports are for good
        [sys.executable, "-c", BARE + code], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("part", PARTS)
def test_every_public_name_is_there_or_says_which_extra_brings_it(part: str) -> None:
    done = run_bare(f"""
import keiko_perf{part} as part
from keiko_perf.errors import MissingExtra

for name in part.__all__:
    try:
        getattr(part, name)
    except MissingExtra as error:
        print(name, error.cure)
""")
    assert done.stderr == ""
    needing = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert all("keiko-perf[" in cure for cure in needing.values())
    if part == "":
        assert set(needing) == {
            "DatabasePerformanceAnalyzer",
            "QueryOptimizer",
            "performance_router",
        }


@pytest.mark.parametrize("way", ["install", "wrap"])
def test_to_watch_an_application_says_which_extra_brings_the_dashboard(way: str) -> None:
    done = run_bare(f"""
from keiko_perf import PerformanceMonitor
from keiko_perf.errors import MissingExtra

try:
    PerformanceMonitor().{way}(lambda scope, receive, send: None)
except MissingExtra as error:
    print(error.cure)
""")
    assert "keiko-perf[fastapi]" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("db slow --database postgresql://me@127.0.0.1/app", "postgres"),
        ("doctor --database postgresql://me@127.0.0.1/app", "postgres"),
        ("mcp --url http://127.0.0.1:1", "mcp"),
        ("load run http://127.0.0.1:1/", "load"),
        ("load run http://127.0.0.1:1/ --database postgresql://me@127.0.0.1/app", "postgres"),
        ("demo", "demo"),
    ],
)
def test_a_command_says_which_extra_brings_what_it_needs(command: str, extra: str) -> None:
    done = run_bare(f"""
from keiko_perf.cli.main import run

sys.argv = ["keiko-perf", *{command.split()}]
run()
""")
    assert done.returncode == 1
    assert f"pip install 'keiko-perf[{extra}]'" in done.stderr


def test_the_dashboard_of_a_store_says_which_extra_serves_it(tmp_path: Path) -> None:
    done = run_bare(f"""
import asyncio
from keiko_perf import PerformanceMonitor
from keiko_perf.cli.main import run

asyncio.run(PerformanceMonitor(store={str(tmp_path / "agents.db")!r}).tick())
sys.argv = ["keiko-perf", "serve", {str(tmp_path / "agents.db")!r}]
run()
""")
    assert done.returncode == 1
    assert "pip install 'keiko-perf[serve]'" in done.stderr


def test_a_monitor_around_an_application_says_which_extra_serves_its_dashboard() -> None:
    done = run_bare("""
from keiko_perf import PerformanceMonitor

PerformanceMonitor().wrap(print)
""")
    assert "MissingExtra" in done.stderr
    assert "pip install 'keiko-perf[fastapi]'" in done.stderr
