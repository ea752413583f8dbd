"""Batch prediction: a model over every picture of a source."""
