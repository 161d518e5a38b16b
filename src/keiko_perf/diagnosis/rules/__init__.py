"""Evidence → findings: pure functions, one topic a file."""
