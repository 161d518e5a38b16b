"""
Scenario file: scenarios that somebody wrote in a Python file of their own, and what they promise.

The file is run as a module, once in each process; what is wrong with it is said with its line. A
scenario travels to another process by its name: pickled, it is where its function stands and what
was changed since.
"""

from __future__ import annotations

import copyreg
import importlib
import sys
import traceback
from dataclasses import fields, replace
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from keiko_perf.errors import KeikoError, UsageError
from keiko_perf.loadtest.users.scenario import Scenario, check_scenarios
from keiko_perf.loadtest.verdicts.promise import Promise
from keiko_perf.loadtest.verdicts.sentences import read_promises

PROMISED = "slo"
"""What the file calls its promises, as the option does."""
_WRITE_ONE = "Write @scenario above an async function: async def browse(user)"


def load_scenarios(path: str | Path) -> tuple[Scenario, ...]:
    """
    The scenarios of a Python file, in the order in which they are written.

    Imports beside the file work, as they do for `python FILE`.

    Raises:
        UsageError: there is no such file, it fails, or it has no scenario.
    """
    file = Path(path).resolve()
    module = _module(file)
    found = tuple(one for one in vars(module).values() if isinstance(one, Scenario))
    found = tuple({id(one): one for one in found}.values())
    if not found:
        raise UsageError(f"{path} has no scenario", cure=_WRITE_ONE)
    check_scenarios(found)
    return found


def load_promises(path: str | Path) -> tuple[Promise, ...]:
    """
    What a Python file with scenarios promises: its `slo`, a text as `read_promises` reads it, or
    several. None if it has no such name.

    Raises:
        UsageError: there is no such file, it fails, or its `slo` cannot be read.
    """
    file = Path(path).resolve()
    told = getattr(_module(file), PROMISED, ())
    texts = (told,) if isinstance(told, str) else told
    if not isinstance(texts, list | tuple) or not all(isinstance(one, str) for one in texts):
        raise UsageError(
            f"{PROMISED} in {file.name} is no text", cure=f'Write it as {PROMISED} = "p95<200ms"'
        )
    try:
        return read_promises(texts)
    except UsageError as error:
        raise UsageError(f"{PROMISED} in {file.name}: {error.what}", cure=error.cure) from None


def find(module_name: str, qualname: str, file: str) -> Scenario:
    """
    A scenario that another process names.

    Raises:
        UsageError: this process cannot find it.
    """
    found: object
    try:
        if module_name.startswith(_PREFIX):
            found = _module(Path(file))
        else:
            found = importlib.import_module(module_name)
        for part in qualname.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"the scenario {qualname} of {module_name} is not found in another process",
            cure="Write it at the top level of a module or of a file",
        ) from error
    if not isinstance(found, Scenario):
        raise UsageError(f"{qualname} of {module_name} is no scenario", cure=_WRITE_ONE)
    return found


_PREFIX = "keiko_perf_scenarios_"
_FOUND = frozenset({"run", "on_start", "set_up", "tear_down", "rows"})  # where the scenario is


def _by_name(one: Scenario) -> tuple[Any, ...]:
    code = getattr(one.run, "__code__", None)
    where = one.run.__module__, one.run.__qualname__, getattr(code, "co_filename", "")
    changes = {part.name: getattr(one, part.name) for part in fields(one)}
    return _found_again, (where, {k: v for k, v in changes.items() if k not in _FOUND})


def _found_again(where: tuple[str, str, str], changes: dict[str, Any]) -> Scenario:
    return replace(find(*where), **changes)


copyreg.pickle(Scenario, _by_name)


def _module(file: Path) -> ModuleType:
    """The module of a file; run once, like every module."""
    name = f"{_PREFIX}{sha256(str(file).encode()).hexdigest()[:12]}_{file.stem}"
    if name in sys.modules:
        return sys.modules[name]
    if not file.is_file():
        raise UsageError(f"there is no file {file}", cure="Name a Python file with scenarios")
    spec = spec_from_file_location(name, file)
    if file.suffix != ".py" or spec is None or spec.loader is None:
        raise UsageError(f"{file} is no Python file", cure="Give it the ending .py")
    module = module_from_spec(spec)
    sys.modules[name] = module
    beside = str(file.parent)
    is_known = beside in sys.path
    if not is_known:
        sys.path.insert(0, beside)
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, KeikoError | KeyboardInterrupt):
            raise
        raise UsageError(
            f"{file.name} cannot be run: {_told(error, file)}", cure="Correct the file"
        ) from error
    finally:
        if not is_known and beside in sys.path:
            sys.path.remove(beside)
    return module


def _told(error: BaseException, file: Path) -> str:
    """The error in a line, with the last line of the file that led to it."""
    words = traceback.format_exception_only(error)[-1].strip()
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return f"line {error.lineno}: {words}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(file)]
    return f"line {lines[-1]}: {words}" if lines else words
