"""The queue on Redis and the dispatcher that batches: every accepted request answered exactly once, none too late."""
