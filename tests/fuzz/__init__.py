"""Fuzzing: what comes from outside, in every form it might have."""
