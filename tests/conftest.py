"""What every test shares: how generated examples are drawn.

In the suite the same code gives the same examples, and no example fails for being slow
on a busy machine. The nightly campaigns draw new ones each time.
"""

from hypothesis import HealthCheck, settings

_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("suite", _PATIENT, derandomize=True)
settings.register_profile("nightly", _PATIENT, derandomize=False, print_blob=True)
settings.load_profile("suite")
