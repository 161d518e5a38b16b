"""
Plan → pacer → engine and transport → result → verdicts, comparison.

The engine needs the extra `load`; plans and results do not.
"""

from keiko_perf.loadtest.engine import OnTick, Progress, run, run_in_own_loop
from keiko_perf.loadtest.pacer import ConstantRate, Load, Poisson, Stage, Stages, Users
from keiko_perf.loadtest.plan import Limits, Plan, Step, bearer
from keiko_perf.loadtest.result import ErrorGroup, InFlight, Result, StepResult
from keiko_perf.loadtest.transport import Channel, Failure, Owner, Transport

__all__ = [
    "Channel",
    "ConstantRate",
    "ErrorGroup",
    "Failure",
    "InFlight",
    "Limits",
    "Load",
    "OnTick",
    "Owner",
    "Plan",
    "Poisson",
    "Progress",
    "Result",
    "Stage",
    "Stages",
    "Step",
    "StepResult",
    "Transport",
    "Users",
    "bearer",
    "run",
    "run_in_own_loop",
]
