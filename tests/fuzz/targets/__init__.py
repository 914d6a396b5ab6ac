"""What is fuzzed: functions of bytes that return when everything that must hold holds."""

from collections.abc import Callable, Mapping

from tests.fuzz.targets import answers, configuration, refusals, requests

TARGETS: Mapping[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        answers.events,
        answers.chunks,
        answers.whole,
        answers.thoughts,
        refusals.refusals,
        refusals.redaction,
        requests.requests,
        requests.history,
        requests.shown,
        configuration.configurations,
        configuration.environments,
    )
}
"""Every target by its name, which is also that of its folders of inputs."""
