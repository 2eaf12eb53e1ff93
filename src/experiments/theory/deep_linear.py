r"""Deep linear networks: how long a mode takes to be learned.

With D layers with weights of equal strength (balanced), mode strength u = product of the layers', target
s and learning rate 1 / tau::

    tau du/dt = D u^(2 - 2/D) (s - u)
    D = 2:   t(u_0 -> u) = tau / (2 s) ln[u (s - u_0) / (u_0 (s - u))]

From a small u_0 a plateau comes first, then a fast rise: depth makes even a linear network learn in
sigmoidal steps, the strongest modes first. The plateau lasts about::

    D = 2:   tau / (2 s) ln(s / u_0)            D > 2:   tau / ((D - 2) s) u_0^(2/D - 1)

Validity: gradient flow (small steps) on 1/2 (s - u)^2 per mode, whitened inputs, aligned modes.

References:
    Saxe, McClelland & Ganguli (2013).
"""

import math

from scipy.integrate import quad

from experiments.core.errors import ConfigurationError, describe
from experiments.theory.quadrature import Scale


def learning_time(
    target: Scale, start: Scale, reached: Scale, layers: int = 2, tau: Scale = 1.0
) -> float:
    """Time in which a mode grows from ``start`` to ``reached``, in the unit of ``tau``.

    Args:
        target: s, above 0.
        start: u_0, above 0.
        reached: u, from u_0 to below s.
        layers: D, layers with weights, from 1.
        tau: one over the learning rate.

    Raises:
        ConfigurationError: unless 0 < start <= reached < target.

    Example:
        >>> round(learning_time(3.0, 1e-3, 1.5), 6), round(learning_time(3.0, 1e-3, 2.85), 6)
        (1.334339, 1.825079)
    """
    if not 0 < start <= reached < target or layers < 1:
        raise ConfigurationError(
            describe(
                f"start={start}, reached={reached}, target={target}, layers={layers}",
                "0 < start <= reached < target, and layers from 1",
                "a mode that starts at 0 never leaves it, and none arrives at its target",
            )
        )
    if layers == 2:
        odds = reached * (target - start) / (start * (target - reached))
        return float(tau / (2 * target) * math.log(odds))

    def pace(log_u: float) -> float:
        """dt / d ln u, which is smooth where dt / du has a pole at 0."""
        u = math.exp(log_u)
        return float(u ** (2 / layers - 1) / (layers * (target - u)))

    time, _ = quad(pace, math.log(start), math.log(reached), epsabs=0, epsrel=1e-11, limit=200)
    return float(tau * time)
