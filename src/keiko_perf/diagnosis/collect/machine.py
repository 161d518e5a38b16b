"""
Machine: how much memory the machine of the server has, where that is this machine.

A server elsewhere does not tell, and an address proves nothing (a tunnel ends on this machine too):
it is here if the process that serves us is one of this machine's, under PostgreSQL's own title.
"""

from __future__ import annotations

import re
from pathlib import Path

from keiko_perf.diagnosis.evidence import Machine
from keiko_perf.diagnosis.postgres import Database

ROOT = Path("/")
"""Where `proc` is found."""
_LINE = re.compile(r"^(\w+): +(\d+) kB$", re.MULTILINE)


async def machine(database: Database, root: Path = ROOT) -> Machine | None:
    """The memory of the server's machine; None if that is another one, or no Linux."""
    row = await database.row("SELECT pg_catalog.pg_backend_pid() AS pid")
    if row is None or not _serves(root / "proc" / str(row["pid"]) / "cmdline", database):
        return None
    return read_machine(root)


def read_machine(root: Path = ROOT) -> Machine | None:
    """The memory of this machine; None where the system does not tell it."""
    sizes = {name: int(kib) * 1024 for name, kib in _LINE.findall(_read(root / "proc/meminfo"))}
    if "MemTotal" not in sizes or "MemAvailable" not in sizes:
        return None
    return Machine(
        memory_bytes=sizes["MemTotal"],
        available_bytes=sizes["MemAvailable"],
        swapped_bytes=max(0, sizes.get("SwapTotal", 0) - sizes.get("SwapFree", 0)),
    )


def _serves(title: Path, database: Database) -> bool:
    """Whether a process calls itself as the one that serves our session would."""
    said = _read(title)
    named = f"{database.server.user} {database.server.database} "
    return said.startswith("postgres: ") and named in said


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
