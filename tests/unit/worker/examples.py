"""How many examples Hypothesis draws: three times as many in the long tier, `--hypothesis-profile=long`."""

from __future__ import annotations

from hypothesis import HealthCheck, settings


def thorough(examples: int) -> settings:
    """The same examples each time. A test that found a bug keeps a number that finds it."""
    long = settings.get_current_profile_name() == "long"
    return settings(
        max_examples=examples * (3 if long else 1),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
