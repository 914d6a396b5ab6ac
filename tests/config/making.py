"""A configuration from the text of a `moa.toml`."""

import os
import textwrap
import tomllib

import pytest

from moakit.config import Config
from moakit.errors import UserError


def config(toml, *, layers=(), **environ):
    data = tomllib.loads(textwrap.dedent(toml))
    return Config(data, source="a test", environ={**os.environ, **environ}, layers=layers)


def refusal(toml, **environ):
    """The message and the hint with which a configuration is refused."""
    with pytest.raises(UserError) as caught:
        config(toml, **environ)
    return caught.value.message, caught.value.hint
