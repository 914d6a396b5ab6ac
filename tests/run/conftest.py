"""Every test of a run may ask for an upstream and for a provider on it; retries wait milliseconds."""

import pytest

from moakit.policies import retry
from tests.lab import lab, up

__all__ = ["lab", "up"]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(retry, "FIRST", 0.01)
