"""
Many items through one async function, a bounded number at a time.

A `batch` has a `crew` that takes items from a `source`, each to a `slot`, with `care`.
"""
