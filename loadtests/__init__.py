"""Loads on a suite: ``bench`` measures it against the bare model, ``locustfile`` drives it with users like ours."""
