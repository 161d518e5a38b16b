"""
Advice: the whole way from a workload to indexes, what is told of them, and whether it held.

`advisor` goes the way, `conclusion` puts together what came of it as an `advice`, with the `gaps`
that could not be looked at and what an index costs to write (`upkeep`). `promise` reads an advice
back, `fulfilment` compares it with what the statements do since.
"""
