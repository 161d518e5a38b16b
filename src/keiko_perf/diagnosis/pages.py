"""
Pages: what PostgreSQL reads and writes, one at a time.

Servers that were built with another size than the usual one are left out of account: what is
reckoned here are shares and estimates, and the catalog's own sizes come in bytes.
"""

from math import sqrt

PAGE_BYTES = 8192
RANDOM_PAGE_COST = 4.0
"""Of a page at a random place, beside the next one: the planner's own, unless it is set."""


def pages_fetched(rows: float, pages: float) -> float:
    """On how many of a table's pages rows at random places lie, as the planner reckons it."""
    return min(2 * pages * rows / (2 * pages + rows), pages)


def page_cost(
    fetched: float, pages: float, *, following: float = 1.0, random: float = RANDOM_PAGE_COST
) -> float:
    """What each of the *fetched* pages costs: the more they are, the more of them follow others."""
    share = sqrt(fetched / pages) if fetched >= 2 else 0.0
    return random - (random - following) * share
