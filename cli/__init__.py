"""The operator's command ``servoir``: starts the suite on one machine, publishes models, asks and shows."""
