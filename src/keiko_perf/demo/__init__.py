"""The sample service that `keiko-perf demo` troubleshoots."""
