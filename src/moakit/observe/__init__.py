"""Readers of a run's events: views and measurements."""
