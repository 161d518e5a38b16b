"""The live page and its JSON, GET only."""
