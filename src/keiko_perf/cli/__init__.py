"""The commands: each builds a report, main prints it."""
