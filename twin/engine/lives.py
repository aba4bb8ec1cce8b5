"""When a forecast failure comes, counted from a later instant than that of the forecast."""

from __future__ import annotations

from dataclasses import dataclass

from twin.plant import FailureForecast

__all__ = ["FirstFailure", "first_failure"]


@dataclass(frozen=True, slots=True)
class FirstFailure:
    """When a forecast failure comes: on the curve, or at its end with ``u`` left for the law."""

    after_s: float
    law_u: float | None


def first_failure(forecast: FailureForecast, since_s: float, u: float) -> FirstFailure:
    """Inverse of a forecast curve, given that nothing has failed since it was made.

    Args:
        forecast: The curve.
        since_s: Time from ``made_at`` to the start of the run. [s]
        u: Uniform in [0, 1).

    Returns:
        Seconds from the start; ``law_u`` is None on the curve, else the uniform that goes on
        with the law of the mode from the end of the curve.

    Example:
        >>> from datetime import UTC, datetime
        >>> curve = FailureForecast(work_unit="u", failure_mode="m", model="",
        ...     made_at=datetime(2026, 3, 2, tzinfo=UTC), horizon_h=(1.0, 2.0), probability=(0.2, 0.4))
        >>> first_failure(curve, 0.0, 0.3)
        FirstFailure(after_s=5400.0, law_u=None)
        >>> round(first_failure(curve, 0.0, 0.7).law_u, 6)
        0.5
    """
    survived = forecast.probability_within(since_s / 3600.0)
    v = survived + u * (1.0 - survived)
    hours = forecast.quantile_h(v)
    if hours is not None:
        return FirstFailure(max(0.0, hours * 3600.0 - since_s), None)
    last = forecast.probability[-1]
    return FirstFailure(
        max(0.0, forecast.horizon_h[-1] * 3600.0 - since_s), (v - last) / (1.0 - last)
    )
