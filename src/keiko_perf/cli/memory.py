"""
memory: what grows in a program, what a capture of memray holds, and what a process does.
"""

from __future__ import annotations

import runpy
import signal
import sys
import time
import traceback
from _thread import interrupt_main
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Thread
from typing import Annotated, Any

import psutil
import typer

from keiko_perf.cli.output import (
    Destination,
    Format,
    FormatOption,
    LanguageOption,
    OutputOption,
    progress_console,
    show,
)
from keiko_perf.container import read_memory
from keiko_perf.doctor.growth import growth_of
from keiko_perf.doctor.words_of_process import memory_cause
from keiko_perf.errors import MissingExtra, Unavailable, UsageError
from keiko_perf.model import Column, Message, Report, Section, Severity, Status, Table, say
from keiko_perf.optimization import MemoryTracer
from keiko_perf.optimization.memory.tracer import is_own_file

_LINES = 15
_LOOKS = 40
"""At a running process; enough to tell growth that goes on from a step."""

app = typer.Typer(
    help="What grows in memory: in a program, in a capture of memray, in a running process.",
    no_args_is_help=True,
)


@app.command("run", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    program: Annotated[
        str, typer.Argument(metavar="SCRIPT", help="A Python file; its arguments follow.")
    ] = "",
    module: Annotated[
        str | None, typer.Option("--module", "-m", help="Run this module instead of a file.")
    ] = None,
    every: Annotated[float, typer.Option("--every", help="Look each so many seconds.")] = 2.0,
    seconds: Annotated[
        float | None, typer.Option("--for", help="Interrupt the program after so many seconds.")
    ] = None,
    leak_mb: Annotated[
        float, typer.Option("--leak-mb", help="From how much on steady growth is a finding.")
    ] = 1.0,
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = None,
) -> None:
    """
    Run a program and say which of its lines hold more and more memory; exit code 3 if some do.

    Options of this command come before the program, those of the program after it.
    """
    if not every > 0 or not leak_mb > 0 or (seconds is not None and not seconds > 0):
        raise UsageError("--every, --for and --leak-mb are over 0", cure="Give them so")
    arguments = ([program] if module and program else []) + context.args
    start = _program(program, module, arguments)
    with MemoryTracer(is_ours=_is_the_programs) as tracer:
        # What a program's module holds goes with the module, and what it held when it was
        # interrupted with the error: both are held until the last look.
        failed, held = _run(start, tracer, every_s=every, seconds=seconds)
        tracer.snapshot()
        del held
    report = tracer.report(at=datetime.now(UTC), leak_bytes=round(leak_mb * 1024 * 1024))
    if failed and report.status is not Status.MISSED:
        report = replace(
            report,
            status=Status.UNDECIDED,
            headline=say("The program failed; until then no line of it held more and more memory"),
        )
    code = show(report, Destination(format, output, lang))
    raise typer.Exit(1 if failed else code)


@app.command("show")
def show_capture(
    capture: Annotated[Path, typer.Argument(help="A file that `memray run` has written.")],
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = None,
) -> None:
    """Say what a capture of memray held at its peak, and what was never given back."""
    report = _captured(capture)
    raise typer.Exit(show(report, Destination(format, output, lang)))


@app.command("process")
def process(
    pid: Annotated[int, typer.Argument(help="The number of a running process.")],
    seconds: Annotated[float, typer.Option("--for", help="Watch it for so many seconds.")] = 10.0,
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = None,
) -> None:
    """Say what a running process holds, of how much, and whether it grows; exit code 3 if so."""
    if not 0 < seconds <= 86_400:
        raise UsageError("--for is over 0 and up to a day", cure="Give it as in --for 60")
    report = _watched(pid, seconds)
    raise typer.Exit(show(report, Destination(format, output, lang)))


def _program(program: str, module: str | None, arguments: list[str]) -> Callable[[], object]:
    if module is not None:
        sys.path.insert(0, "")
        _check_module(module)
        sys.argv = [module, *arguments]
        return lambda: runpy.run_module(module, run_name="__main__", alter_sys=True)
    if not program:
        raise UsageError(
            "there is no program to run", cure="Give a file, or a module as in -m service"
        )
    if not Path(program).is_file():
        raise UsageError(f"there is no file {program}", cure="Give the path of a Python file")
    sys.argv = [program, *arguments]
    sys.path.insert(0, str(Path(program).parent))
    return lambda: runpy.run_path(program, run_name="__main__")


def _check_module(module: str) -> None:
    try:
        found = find_spec(module)
    except (ImportError, ValueError):  # a package on the way to it is not there
        found = None
    if found is None:
        raise UsageError(
            f"there is no module {module}",
            cure="Give one that Python finds from this directory, as in -m service",
        )


def _is_the_programs(file: str) -> bool:
    return is_own_file(file) and file != __file__


def _run(
    start: Callable[[], object], tracer: MemoryTracer, *, every_s: float, seconds: float | None
) -> tuple[bool, object]:
    """Whether the program failed, and what it held at its end."""
    ended = Event()

    def look() -> None:
        began_s = time.monotonic()
        while not ended.wait(every_s):
            tracer.snapshot()
            if seconds is not None and time.monotonic() - began_s >= seconds:
                if not ended.is_set():
                    interrupt_main()
                return

    if seconds is not None and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As of what a shell runs in the background: then nothing could interrupt the program.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    looking = Thread(target=look, daemon=True)
    looking.start()
    try:
        return False, start()
    except SystemExit as end:
        return end.code not in (None, 0), end
    except KeyboardInterrupt as interrupt:
        progress_console().print("The program was interrupted; this is what grew until then.")
        return False, interrupt
    except Exception as error:  # the program is a stranger's code
        traceback.print_exception(_of_the_program(error))
        return True, error
    finally:
        ended.set()
        looking.join()


def _of_the_program(error: Exception) -> Exception:
    """The error without the lines that lead to the program, which are ours and Python's."""
    here = error.__traceback__
    while here is not None and (
        here.tb_frame.f_code.co_filename == __file__
        or here.tb_frame.f_code.co_filename.startswith("<frozen ")
    ):
        here = here.tb_next
    return error.with_traceback(here)


def _captured(capture: Path) -> Report:
    try:
        import memray
    except ImportError:
        raise MissingExtra("memray", extra="memray", purpose="a capture of memray") from None
    try:
        with memray.FileReader(capture) as reader:
            peak = list(reader.get_high_watermark_allocation_records(merge_threads=True))
            held = list(reader.get_leaked_allocation_records(merge_threads=True))
            peak_bytes = reader.metadata.peak_memory
    except (OSError, RuntimeError) as error:
        raise Unavailable(
            f"{capture} cannot be read: {error}",
            cure="Give a file that `memray run -o FILE program.py` has written",
        ) from None
    held_bytes = sum(one.size for one in held)
    return Report(
        command="memory",
        title=say("What grows in memory"),
        headline=say(
            "At its peak the program held {peak:bytes}; {held:bytes} were never given back",
            peak=peak_bytes,
            held=held_bytes,
        ),
        status=Status.OK,
        created_at=datetime.now(UTC),
        sections=(
            Section(
                title=say("By line"),
                tables=(
                    _by_line(peak, Table(title=say("Held at the peak"), columns=_LINE, rows=())),
                    _by_line(held, Table(title=say("Never given back"), columns=_LINE, rows=())),
                ),
            ),
        ),
        answer={"peak_bytes": peak_bytes, "held_bytes": held_bytes},
    )


_LINE = (Column(say("Place")), Column(say("Holds"), "bytes"), Column(say("Blocks"), "count"))


def _by_line(records: list[Any], empty: Table) -> Table:
    lines: dict[str, tuple[int, int]] = {}
    for one in records:
        stack = one.stack_trace(max_stacks=1)
        place = f"{stack[0][1]}:{stack[0][2]} {stack[0][0]}" if stack else "?"
        size, blocks = lines.get(place, (0, 0))
        lines[place] = (size + one.size, blocks + one.n_allocations)
    told = sorted(lines.items(), key=lambda one: (-one[1][0], one[0]))
    rows = tuple((place, size, blocks) for place, (size, blocks) in told[:_LINES])
    return replace(empty, rows=rows, left_out=max(0, len(told) - _LINES))


def _watched(pid: int, seconds: float) -> Report:
    try:
        one = psutil.Process(pid)
        held = _held(one, seconds)
    except psutil.NoSuchProcess:
        raise Unavailable(
            f"there is no process {pid}", cure="Look it up with `ps`; it may have ended"
        ) from None
    except psutil.AccessDenied:
        raise Unavailable(
            f"process {pid} is another user's", cure="Ask as that user, or as root"
        ) from None
    first_bytes, last_bytes = round(held[0][1]), round(held[-1][1])
    memory = read_memory(pid=pid)
    shared = _pss_bytes(one)
    grown_bytes = last_bytes - first_bytes
    room = memory.limit_bytes * (1.0 - memory.ratio)
    growth = growth_of(held, limit_bytes=last_bytes + room)
    findings = () if growth is None else (memory_cause(growth).finding(Severity.CRITICAL),)
    return Report(
        command="memory",
        title=say("What grows in memory"),
        headline=say(
            "Process {pid} holds {held:bytes}, of {limit:bytes} that there are",
            pid=str(pid),
            held=last_bytes,
            limit=memory.limit_bytes,
        ),
        status=Status.MISSED if findings else Status.OK,
        created_at=datetime.now(UTC),
        sections=(
            Section(
                title=say("The process"),
                findings=findings,
                paragraphs=tuple(_course(grown_bytes, seconds, shared)),
            ),
        ),
        answer={
            "pid": pid,
            "rss_bytes": [first_bytes, last_bytes],
            "pss_bytes": shared,
            "limit_bytes": memory.limit_bytes,
        },
    )


def _course(grown_bytes: int, seconds: float, shared: int | None) -> Iterator[Message]:
    """How what it holds went, and what of that is its own."""
    if grown_bytes > 0:
        yield say(
            "It holds {grown:bytes} more than {ago:duration} before", grown=grown_bytes, ago=seconds
        )
    else:
        yield say("It holds no more than {ago:duration} before", ago=seconds)
    if shared is not None:
        yield say(
            "With what it shares divided by those who share it, it holds {pss:bytes}", pss=shared
        )


def _held(process: psutil.Process, seconds: float) -> list[tuple[float, float]]:
    """When, and how many bytes, from now on to the end."""
    began_s, found = time.monotonic(), []
    for number in range(_LOOKS + 1):
        time.sleep(max(began_s + seconds * number / _LOOKS - time.monotonic(), 0.0))
        found.append((time.monotonic() - began_s, float(process.memory_info().rss)))
    return found


def _pss_bytes(process: psutil.Process) -> int | None:
    try:
        return getattr(process.memory_full_info(), "pss", None)
    except psutil.Error:
        return None
