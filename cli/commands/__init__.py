"""The commands of ``servoir``, one group of them a file."""
