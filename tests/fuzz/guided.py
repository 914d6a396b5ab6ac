"""One target under atheris, which keeps the inputs that reach new code: `-m tests.fuzz.guided TARGET …`."""

import sys

import atheris

with atheris.instrument_imports(include=["moakit"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()
