"""
Pages: what PostgreSQL reads and writes, one at a time.

Servers that were built with another size than the usual one are left out of account: what is
reckoned here are shares and estimates, and the catalog's own sizes come in bytes.
"""

PAGE_BYTES = 8192
RANDOM_PAGE_COST = 4.0
"""Of a page at a random place, beside the next one: the planner's own, unless it is set."""
