"""
Candidates: the indexes that could serve a workload, before anybody is asked about them.

`indexes` is what one is, with its name and its statements, and `sizes` how large; `candidates`
finds them for a statement's predicates, `kinds` those of other kinds than a plain B-tree, `gin`
what no hypothesis can show and `expressions` how many values one has. `projection` is what an
index is to one statement; `proposals` gathers all for a workload, and refuses what needs no
planner to be refused.
"""
