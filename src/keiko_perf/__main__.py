"""`python -m keiko_perf` is the program `keiko-perf`."""

import sys

INTERRUPTED = 130


def main() -> None:
    """The program `keiko-perf`, quiet even when it is interrupted while it still loads."""
    try:
        from keiko_perf.cli.main import run

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
