"""
db: why a database is slow, read-only.
"""

from __future__ import annotations

import typer

from keiko_perf.cli import db_history, db_reading
from keiko_perf.cli.advise import advise, verify
from keiko_perf.cli.explain import explain

app = typer.Typer(help="Find out why a PostgreSQL database is slow.", no_args_is_help=True)
app.add_typer(db_reading.app)
app.add_typer(db_history.app)
app.command()(advise)
app.command()(verify)
app.command()(explain)
