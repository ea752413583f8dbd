"""The comparison with other model servers: ``python -m loadtests.rivals``."""
