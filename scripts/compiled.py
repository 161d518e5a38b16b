#!/usr/bin/env python3
"""
Compile what every request runs through, as it stands, with mypyc.

Run as a script it does so in this clone. Where there is no compiler, or no header of Python's, it
says so and the same code runs as Python (ADR 0015). As a hook of hatchling's it puts the compiled
modules into the wheel.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

MODULES = ("keiko_perf/monitoring/middleware.py",)
SOURCE = Path(__file__).parent.parent / "src"
# What a module imports is not at hand in the environment that builds; nothing in it is compiled.
OPTIONS = ("--follow-imports=skip", "--ignore-missing-imports")


def compiled(into: Path) -> list[Path]:
    """
    Compile, and put the results below *into*.

    Returns:
        The files that were made, relative to *into*; none if it could not be done, which is said.
    """
    for old in MODULES:  # whatever becomes of it, what is there is not of this source
        for one in _beside(into / old):
            one.unlink()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "src"
        shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
        for module in MODULES:
            _keep_docstrings(copy / module)
        command = [sys.executable, "-m", "mypyc", *OPTIONS, *MODULES]
        run = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        made = _made_in(copy)
        if run.returncode != 0 or not made:
            said = (run.stderr or run.stdout).strip().splitlines()[-1:] or ["mypyc made nothing"]
            why = textwrap.shorten(said[0], 80, placeholder=" …")
            print(
                f"Not compiled ({why}): it runs as plain Python, 4 µs a request slower. "
                "It takes a C compiler and Python's headers (Debian: gcc, python3-dev).",
                file=sys.stderr,
            )
            return []
        for one in made:
            (into / one).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(copy / one, into / one)
        return made


def _beside(source: Path) -> list[Path]:
    """What was compiled of a module, here or elsewhere (`.pyd` on Windows)."""
    stems = (source.stem, f"{source.stem}__mypyc")
    names = [f"{stem}.*{suffix}" for stem in stems for suffix in ("so", "pyd")]
    return sorted(one for name in names for one in source.parent.glob(name))


def _keep_docstrings(source: Path) -> None:
    """Give its classes theirs, which mypyc drops; at the end, so that no line moves."""
    text = source.read_text(encoding="utf-8")
    classes = (one for one in ast.parse(text).body if isinstance(one, ast.ClassDef))
    told = ((one.name, ast.get_docstring(one, clean=False)) for one in classes)
    lines = (f'setattr({name}, "__doc__", {doc!r})' for name, doc in told if doc)
    source.write_text("\n".join((text, *lines, "")), encoding="utf-8")


def _made_in(copy: Path) -> list[Path]:
    """What was compiled beside its source, relative to the copy; setuptools keeps another each."""
    found = sorted(copy.rglob("*.so")) + sorted(copy.rglob("*.pyd"))
    return [one for one in (one.relative_to(copy) for one in found) if one.parts[0] != "build"]


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:
    pass  # run as a script
else:

    class Hook(BuildHookInterface):  # type: ignore[type-arg]
        """The compiled modules beside their sources, in the wheel or, if editable, in the clone."""

        PLUGIN_NAME = "custom"

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            if version == "editable":
                compiled(SOURCE)
                return
            self._folder = tempfile.TemporaryDirectory()
            into = Path(self._folder.name)
            for one in compiled(into):
                build_data["force_include"][str(into / one)] = str(one)
                build_data["pure_python"] = False
                build_data["infer_tag"] = True


if __name__ == "__main__":
    compiled(SOURCE)
