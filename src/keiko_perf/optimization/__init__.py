"""The helpers that one tunes a service with."""
