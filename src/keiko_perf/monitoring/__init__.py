"""Requests → recorder → snapshots → store → verdicts → alerts → dashboard."""
