"""`python -m keiko_perf` is the program `keiko-perf`."""

from keiko_perf.cli.main import run

if __name__ == "__main__":
    run()
