"""What a model is worth: its answers to pictures whose truth is known, in figures, curves and a page to look at."""
