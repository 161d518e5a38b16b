"""
Statements: from SQL text to what a statement asks of each table, and the workload that they make.

`parser` is PostgreSQL's own, `tree` and `scope` read what it returns; `conditions` and
`predicates` are what is asked, `notes` how that is gathered on the way. `reading` is the whole of
it: text → `Shape`. `parameters` says which values stand for `$n`; `workload` and `workload_text`
are the statements of a service and of a file, with how much each weighs.
"""
