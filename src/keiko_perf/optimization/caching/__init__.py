"""
What is kept of what was asked: for how long, within how much room, by which eviction, and where.

`cached` is the decorator of `cache`, which keeps on a `shelf` by `eviction` and `rehearsal`, for as
long as `freshness` says, and loads in one `flight` for all who ask; `redis_cache` does so outside
of the process; `advice` says what is worth it.
"""
