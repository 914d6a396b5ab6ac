"""Waiting and failing: one policy a file, each usable alone."""
