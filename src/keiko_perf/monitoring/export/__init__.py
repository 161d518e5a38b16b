"""
The figures of a service for other tools: Prometheus, OpenMetrics, OTLP, and health endpoints.

`families` says what there is; each format is a writer of its own, and none of them loses anything
that the format can hold.
"""
