r"""Deep linear networks: the time in which a mode is learned.

For D layers with weights of equal strength (balanced), with the mode strength u (the product over the
layers), target s and learning rate 1 / tau::

    tau du/dt = D u^(2 - 2/D) (s - u)
    D = 2:   t(u_0 -> u) = tau / (2 s) ln[u (s - u_0) / (u_0 (s - u))]

Starting at a small u_0, a plateau is followed by a fast rise: with depth even a linear network learns in
sigmoidal steps, the strongest modes first. The duration of the plateau is about::

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
    """Time in which a mode grows from ``start`` to ``reached``, in units of ``tau``.

    Args:
        target: s, above 0.
        start: u_0, above 0.
        reached: u, from u_0 to below s.
        layers: D, the number of layers with weights, at least 1.
        tau: 1 / learning rate.

    Raises:
        ConfigurationError: unless 0 < start <= reached < target and layers >= 1.

    Example:
        >>> round(learning_time(3.0, 1e-3, 1.5), 6), round(learning_time(3.0, 1e-3, 2.85), 6)
        (1.334339, 1.825079)
    """
    if not 0 < start <= reached < target or layers < 1:
        raise ConfigurationError(
            describe(
                f"start={start}, reached={reached}, target={target}, layers={layers}",
                "0 < start <= reached < target, and layers of 1 or more",
                "start above 0, where a mode would stay for ever, and stop short of the target",
            )
        )
    if layers == 2:
        odds = reached * (target - start) / (start * (target - reached))
        return float(tau / (2 * target) * math.log(odds))

    def pace(log_u: float) -> float:
        """dt / d ln u, which is smooth at u -> 0, where dt / du has a pole."""
        u = math.exp(log_u)
        return float(u ** (2 / layers - 1) / (layers * (target - u)))

    time, _ = quad(pace, math.log(start), math.log(reached), epsabs=0, epsrel=1e-11, limit=200)
    return float(tau * time)
