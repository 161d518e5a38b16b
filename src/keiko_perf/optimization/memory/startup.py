"""
After the start: what is there for good need not be looked at by each collection of garbage.
"""

from __future__ import annotations

import ast
import gc
import linecache
import re
import site
from dataclasses import dataclass
from pathlib import Path

from keiko_perf.errors import UsageError

_PLACE = re.compile(r"(?P<file>.+):(?P<line>\d+)( (?P<function>.*))?")
_LONGEST = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """
    Attributes:
        collected: how many objects were garbage, and are gone.
        frozen: how many are left out from now on.
        thresholds: at how many new objects, and younger collections, garbage is collected.
    """

    collected: int
    frozen: int
    thresholds: tuple[int, int, int]


def freeze_after_startup(*, new_objects: int = 10_000) -> Frozen:
    """
    Call it once, when all is imported and made, before requests come (or workers are forked).

    What is there is left out of every later collection (`gc.freeze`), and the youngest objects are
    gone through after so many new ones instead of after 700: a request that makes some thousand
    objects is not interrupted a dozen times. Memory that only circles hold is freed later.

    Args:
        new_objects: the new threshold of the youngest objects.

    Raises:
        UsageError: it would collect at once, or never.
    """
    if new_objects < 1:
        raise UsageError(
            f"new_objects={new_objects!r} is no number of objects", cure="Give a number from 1 on"
        )
    collected = gc.collect()
    gc.freeze()
    _, middle, old = gc.get_threshold()
    gc.set_threshold(new_objects, middle, old)
    return Frozen(collected=collected, frozen=gc.get_freeze_count(), thresholds=gc.get_threshold())


def source_line(place: str) -> str:
    """
    The source of a place such as `app.py:42 find`, from where Python's files are.

    Empty if it cannot be read, or the line is in no function of that name: then the file here is
    another than the one that runs there.
    """
    found = _PLACE.fullmatch(place)
    if found is None:
        return ""
    roots = (Path.cwd(), *map(Path, site.getsitepackages()))
    for root in roots:
        path, number = str(root / found["file"]), int(found["line"])
        line = linecache.getline(path, number)
        if line and _is_in(found["function"] or "", number, "".join(linecache.getlines(path))):
            return line.strip()
    return ""


def _is_in(function: str, number: int, source: str) -> bool:
    name = function.rpartition(".")[2]
    if not name or name.startswith("<"):
        return True
    if len(source) > _LONGEST:
        return False
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError):
        return False
    around = [
        node
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and node.lineno <= number <= (node.end_lineno or node.lineno)
    ]
    return bool(around) and max(around, key=lambda node: node.lineno).name == name
