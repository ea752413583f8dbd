"""HTTP in and out: checks a request, puts it on the queue, turns the answer into the caller's dialect."""
