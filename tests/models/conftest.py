"""Every test of a model may ask for an upstream; many hold for streamed answers and for whole ones."""

import pytest

from tests.lab import up

__all__ = ["up"]


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def streamed(request):
    return request.param
