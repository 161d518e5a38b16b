"""
Plan → pacer → engine and transport → result → verdicts, comparison.

A plan asks for steps, which importers can make of what others wrote down, or has users carry out
scenarios. The engine needs the extra `load`; plans and results do not.

What stands here is what the folders share: `importers` make plans, `engine`, `users`, `http` and
`processes` carry them out, `watching` looks at the service meanwhile, `verdicts` judge, `reports`
tell and `saved` keeps; `capacity` and `comparison` are made of many runs.
"""

from keiko_perf.loadtest.asgi import AsgiTransport
from keiko_perf.loadtest.comparison.results import compare_results, comparisons
from keiko_perf.loadtest.headers import bearer
from keiko_perf.loadtest.importers import Imported, from_curl, from_har, from_openapi
from keiko_perf.loadtest.pacer import (
    ConstantRate,
    Load,
    Poisson,
    Replay,
    Stage,
    Stages,
    Users,
)
from keiko_perf.loadtest.plan import Limits, Plan, Step
from keiko_perf.loadtest.processes.own_loop import run_in_own_loop
from keiko_perf.loadtest.progress import OnTick, Progress
from keiko_perf.loadtest.recording import replay
from keiko_perf.loadtest.reports.summary import report
from keiko_perf.loadtest.request import Observer, Request, Wishes
from keiko_perf.loadtest.result import ErrorGroup, InFlight, Result, StepResult
from keiko_perf.loadtest.running import run
from keiko_perf.loadtest.saved.result import load, save
from keiko_perf.loadtest.target import Tls
from keiko_perf.loadtest.tester import LoadTester, LoadTestResult
from keiko_perf.loadtest.transport import Answer, Channel, Failure, Owner, Transport
from keiko_perf.loadtest.users.feed import Feed, rows
from keiko_perf.loadtest.users.reply import Reply, RequestFailed
from keiko_perf.loadtest.users.scenario import Scenario, scenario
from keiko_perf.loadtest.users.scenario_file import load_promises, load_scenarios
from keiko_perf.loadtest.users.user import User
from keiko_perf.loadtest.verdicts.promise import Promise
from keiko_perf.loadtest.verdicts.sentences import read_promises

__all__ = [
    "Answer",
    "AsgiTransport",
    "Channel",
    "ConstantRate",
    "ErrorGroup",
    "Failure",
    "Feed",
    "Imported",
    "InFlight",
    "Limits",
    "Load",
    "LoadTestResult",
    "LoadTester",
    "Observer",
    "OnTick",
    "Owner",
    "Plan",
    "Poisson",
    "Progress",
    "Promise",
    "Replay",
    "Reply",
    "Request",
    "RequestFailed",
    "Result",
    "Scenario",
    "Stage",
    "Stages",
    "Step",
    "StepResult",
    "Tls",
    "Transport",
    "User",
    "Users",
    "Wishes",
    "bearer",
    "compare_results",
    "comparisons",
    "from_curl",
    "from_har",
    "from_openapi",
    "load",
    "load_promises",
    "load_scenarios",
    "read_promises",
    "replay",
    "report",
    "rows",
    "run",
    "run_in_own_loop",
    "save",
    "scenario",
]
