"""One run's journey, from the prompt to the answer."""

from moakit.run.scope import NO_REFERENCES, References, Run, Runnable

__all__ = ["NO_REFERENCES", "References", "Run", "Runnable"]
