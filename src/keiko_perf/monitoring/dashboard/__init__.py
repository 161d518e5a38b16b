"""The live page and its JSON, GET only but for the login."""
