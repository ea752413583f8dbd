"""One program for each rival, run by the rival's own Python: a server as its documentation would have it written."""
