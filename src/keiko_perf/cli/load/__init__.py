"""
load: put a service under load, find its capacity, show a saved result again, compare two,
or two versions in turns.
"""

from __future__ import annotations

import typer

from keiko_perf.cli.load.ab import ab_command
from keiko_perf.cli.load.capacity import capacity_command
from keiko_perf.cli.load.results import compare_command, show_command
from keiko_perf.cli.load.run import run_command

app = typer.Typer(help="Put a service under load, and compare results.", no_args_is_help=True)
app.command("run", no_args_is_help=True)(run_command)
app.command("capacity", no_args_is_help=True)(capacity_command)
app.command("show")(show_command)
app.command("ab")(ab_command)
app.command("compare")(compare_command)
