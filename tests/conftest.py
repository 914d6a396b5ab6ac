"""How hypothesis tries inputs: as many as a test says, however slow the machine is."""

from hypothesis import HealthCheck, settings

settings.register_profile("moakit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("moakit")
