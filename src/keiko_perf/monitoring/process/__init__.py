"""What the process has left, and what holds it up: the collector, threads, the event loop."""
