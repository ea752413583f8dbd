"""The front door: HTTP in, requests to the queue, answers back. Holds no state of its own."""
