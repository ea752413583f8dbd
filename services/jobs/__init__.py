"""Background jobs: work that takes its time, over everything in a folder, by workers of its own, on RQ."""
