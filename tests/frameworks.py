"""TensorFlow in the tests' own process: its threads are set before its first use, alike for all tests."""

from __future__ import annotations

from typing import Any

THREADS = 1


def tensorflow() -> Any:
    """Return the module, set up as the engine sets it up with THREADS."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    return tf
