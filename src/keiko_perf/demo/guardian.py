"""
Guardian: keeps a child and its folder from outliving us.

It starts one program, waits for the end of its standard input, stops the program and removes the
folder. The other end of that pipe is held by the process that wants the program: when it ends,
by whatever death, the pipe closes. So nothing is left behind even after `kill -9`.

    python -m keiko_perf.demo.guardian FOLDER USER LOG PROGRAM [ARGUMENT …]

USER is the name to run the program as, or "-" for the present one. It imports nothing but the
standard library, so that it starts fast.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from pwd import getpwnam
from typing import Any

# PostgreSQL's smart, fast and immediate shutdowns are SIGTERM, SIGINT and SIGQUIT; a smart one
# would wait for the last client to leave.
_STOPS = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


def main(arguments: list[str]) -> int:
    folder, user, log, *command = arguments
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Only the pipe decides. Not SIG_IGN, which the program would inherit.
        signal.signal(number, _take_no_notice)
    try:
        child = _start(command, user, Path(log))
        _wait_for_end_of_input()
        _stop(child)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _start(command: list[str], user: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
        if user == "-":
            return subprocess.Popen(command, cwd=log.parent, **streams)
        group = getpwnam(user).pw_gid
        return subprocess.Popen(
            command, cwd=log.parent, user=user, group=group, extra_groups=[], **streams
        )


def _take_no_notice(_number: int, _frame: object) -> None:
    pass


def _wait_for_end_of_input() -> None:
    while True:
        if not os.read(sys.stdin.fileno(), 1024):
            return


def _stop(child: subprocess.Popen[bytes]) -> None:
    for number, patience_s in _STOPS:
        if child.poll() is not None:
            return
        child.send_signal(number)
        try:
            child.wait(patience_s)
        except subprocess.TimeoutExpired:
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
