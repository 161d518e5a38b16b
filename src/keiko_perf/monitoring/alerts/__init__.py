"""
From verdicts to alerts, and whom they are told to: one set for all workers of a service.

`alerts` and `slo` decide, `budgets` and `alerting` keep what they decided between windows,
`silence` and `telling` say who hears of it, and `records` are what the journal has of it.
"""
