"""How hypothesis tries inputs, as many as a test says, however slow the machine is; which tests are found."""

from importlib.util import find_spec

from hypothesis import HealthCheck, settings

settings.register_profile("moakit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("moakit")

# The tests in a browser need what `make e2e` installs.
collect_ignore = [] if find_spec("playwright") else ["e2e"]
