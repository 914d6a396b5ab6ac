"""Every fault the upstream offers, as a model's name, taken from its own table."""

from tests.upstream.behaviour import FAULTS, parse

ARGUMENTS = {
    "status": ("401", "429", "503"),
    "code": ("context_length_exceeded", "model_not_found"),
    "huge": ("0.1",),
    "sleep": ("0.05",),
    "ttft": ("0.05",),
    "retry_after": ("0.05",),
    "reject": ("temperature",),
    "should_retry": ("false",),
}
"""Arguments for the faults that need one of their own; any other gets what its kind takes."""
OF_KIND = {"flag": ("",), "number": ("1",), "text": ("x",)}


def every_fault() -> list[str]:
    """Return a model's name for each fault; one that is new in the table is among them."""
    names = []
    for fault, kind in FAULTS.items():
        for argument in ARGUMENTS.get(fault, OF_KIND[kind]):
            name = f"{fault}:{argument}" if argument else fault
            assert parse(name).has(fault), f"{name} is not understood: give {fault} an argument in ARGUMENTS"
            names.append(name if fault != "stale" else "stale+status:500")
    return names
