"""What the bench measures, a file for each; every one can be run alone."""
