"""
Plan → pacer → engine and transport → result → verdicts, comparison.

The engine needs the extra `load`; plans and results do not.
"""

from keiko_perf.loadtest.asgi import AsgiTransport
from keiko_perf.loadtest.comparison import compare_results, comparisons
from keiko_perf.loadtest.engine import run
from keiko_perf.loadtest.own_loop import run_in_own_loop
from keiko_perf.loadtest.pacer import (
    ConstantRate,
    Load,
    Poisson,
    Replay,
    Stage,
    Stages,
    Users,
)
from keiko_perf.loadtest.plan import Limits, Plan, Step, bearer
from keiko_perf.loadtest.progress import OnTick, Progress
from keiko_perf.loadtest.recording import replay
from keiko_perf.loadtest.request import Request
from keiko_perf.loadtest.result import ErrorGroup, InFlight, Result, StepResult
from keiko_perf.loadtest.saved import load, save
from keiko_perf.loadtest.summary import report
from keiko_perf.loadtest.tester import LoadTester, LoadTestResult
from keiko_perf.loadtest.transport import Channel, Failure, Owner, Transport

__all__ = [
    "AsgiTransport",
    "Channel",
    "ConstantRate",
    "ErrorGroup",
    "Failure",
    "InFlight",
    "Limits",
    "Load",
    "LoadTestResult",
    "LoadTester",
    "OnTick",
    "Owner",
    "Plan",
    "Poisson",
    "Progress",
    "Replay",
    "Request",
    "Result",
    "Stage",
    "Stages",
    "Step",
    "StepResult",
    "Transport",
    "Users",
    "bearer",
    "compare_results",
    "comparisons",
    "load",
    "replay",
    "report",
    "run",
    "run_in_own_loop",
    "save",
]
