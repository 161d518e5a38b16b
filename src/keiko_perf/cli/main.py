"""
The command line: one file a command; this one puts them together and shows their errors.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from keiko_perf import __version__
from keiko_perf.cli import changes, db, demo, doctor, health, load, mcp, memory, notes, serve, watch
from keiko_perf.cli.output import INTERRUPTED
from keiko_perf.errors import KeikoError

app = typer.Typer(
    name="keiko-perf",
    help="Find out why an async Python service is slow, prove the fix, keep it fast.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog=(
        "Exit codes: 0 all is well · 1 it could not be done · 2 usage · 3 a target was missed or a "
        "finding is severe · 4 the measurement is not valid · 5 regression · 6 undecided · "
        "130 interrupted"
    ),
)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("health")(health.health)
app.command("watch")(watch.watch)
app.command("changes")(changes.changes)
app.command("mark")(notes.mark)
app.command("silence")(notes.silence)
app.command("serve")(serve.serve)
app.command("mcp")(mcp.mcp)
app.add_typer(load.app, name="load")
app.add_typer(memory.app, name="memory")
app.add_typer(db.app, name="db")


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"keiko-perf {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    pass


def run() -> None:
    """The program `keiko-perf`: every error of ours is one sentence and its cure, no traceback."""
    try:
        app()
    except KeikoError as error:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"keiko-perf: {error.what}.", style="bold red", markup=False)
        console.print(f"{error.cure}.", markup=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
