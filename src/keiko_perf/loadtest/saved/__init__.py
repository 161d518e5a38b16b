"""Results as files that can be reported on, and compared, at any time."""
